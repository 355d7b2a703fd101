# Completion of sortie(8), by whichever name, for bash: /usr/share/bash-completion/completions/sortie

_sortie() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}

	case $prev in
	-C)
		COMPREPLY=($(compgen -f -- "$cur"))
		return ;;
	-f | -r | -F) return ;;
	esac
	case $cur in
	-*)
		COMPREPLY=($(compgen -W '-C -F -f -r -i -t -v -bm -bp -bs -bi -bv -bd -q -q15m -qI -qR -qS
			-odb -odi -odq --version --' -- "$cur")) ;;
	*) COMPREPLY=() ;;
	esac
}

complete -F _sortie sortie sendmail send-mail mailq
