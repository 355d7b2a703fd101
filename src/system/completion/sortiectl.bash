# Completion of sortiectl(8) for bash: /usr/share/bash-completion/completions/sortiectl

# Ids of what is queued; a very long queue is nothing to choose from.
_sortiectl_ids() {
	sortiectl "$@" list 2> /dev/null | sed -n '2,500s/ .*//p;500q'
}

# Sites with no blank in their names; the others may be called by their hosts.
_sortiectl_sites() {
	sortiectl "$@" sites --json 2> /dev/null | sed -n '500q;s/^{"site":"\([^" ]*\)".*/\1/p'
}

# Conversations that are asked for or kept.
_sortiectl_traced() {
	sortiectl "$@" trace --json 2> /dev/null | sed -n 's/^{"site":"\([^"]*\)".*/\1/p'
}

_sortiectl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command= words= i
	local -a config=()
	local selection='--sender --recipient --site --older --newer --held --all'

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-C) config=(-C "${COMP_WORDS[++i]}") ;;
		-*) ;;
		*)
			command=${COMP_WORDS[i]}
			break ;;
		esac
	done
	case $prev in
	-C)
		COMPREPLY=($(compgen -f -- "$cur"))
		return ;;
	--sender | --recipient | --site | --older | --newer)
		[[ $command != shape ]] && return ;;
	esac
	case $command in
	'') words='list show cat retry hold release remove bounce shape sites stats trace import check help -C --help --version' ;;
	help) words='list show cat retry hold release remove bounce shape sites stats trace import check' ;;
	list) words="--json $selection" ;;
	cat) words=--raw ;;
	retry | hold | release | remove | bounce) words="-n --dry-run $selection" ;;
	shape) words='--sender --json' ;;
	sites) words='--json --hoststat --forget' ;;
	stats)
		[[ $prev = --output ]] && COMPREPLY=($(compgen -f -- "$cur")) && return
		words='--json --prometheus --output' ;;
	trace)
		words='--show --off --json'
		[[ $cur != -* ]] && words="$words $(_sortiectl_traced "${config[@]}")" ;;
	check)
		[[ $prev = --program ]] && COMPREPLY=($(compgen -f -- "$cur")) && return
		words='-n --no-network --json --program' ;;
	import)
		words='dma nullmailer msmtp ssmtp msmtpq citadel --write --queue --remove -n --dry-run'
		[[ $prev != import ]] && COMPREPLY=($(compgen -f -- "$cur")) ;;
	esac
	case $command,$cur in
	,* | *,-*) ;;
	list,* | show,* | cat,* | retry,* | hold,* | release,* | remove,* | bounce,*)
		words="$words $(_sortiectl_ids "${config[@]}")" ;;
	sites,* | trace,*) words="$words $(_sortiectl_sites "${config[@]}")" ;;
	esac
	COMPREPLY+=($(compgen -W "$words" -- "$cur"))
}

complete -F _sortiectl sortiectl
