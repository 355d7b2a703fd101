#!/bin/sh
# completion_test.sh SORTIECTL: each shell's completion knows every command that there is and every option
# that the command's help speaks of; and where a shell is installed, it understands its own.
ctl=$1
dir=src/system/completion
bad=0

fail() { # what
	echo "completion: $*"
	bad=1
}

# file command, and what stands before an option there
knows() {
	grep -qw -- "$2" "$1" || fail "${1##*/} does not know the command $2"
	"$ctl" help "$2" | tr -cs 'a-z-' '\n' | sed -n 's/^--\([a-z]\)/\1/p' | sort -u |
		while read -r option; do
			grep -q -e "$3$option\\([^a-z-]\\|\$\\)" "$1" || echo "$option"
		done | {
			unknown=0
			while read -r option; do
				echo "completion: ${1##*/} does not know $2 --$option"
				unknown=1
			done
			exit $unknown
		} || bad=1
}

commands=$("$ctl" help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p')
[ -n "$commands" ] || fail "sortiectl help lists no commands"
for command in $commands; do
	knows $dir/sortiectl.bash "$command" --
	knows $dir/_sortiectl "$command" --
	knows $dir/sortiectl.fish "$command" '-l '
done

bash_says() { # words, the last of them unfinished; what is expected
	[ "$(bash -c ". $dir/sortiectl.bash; COMP_WORDS=(sortiectl $1); COMP_CWORD=\$((\${#COMP_WORDS[@]} - 1))
		_sortiectl; echo \"\${COMPREPLY[*]}\"" 2>&1)" = "$2" ] || fail "bash: $1 is not completed to: $2"
}
if command -v bash > /dev/null; then
	bash_says "re" "retry release remove"
	bash_says "-C x list --s" "--sender --site"
	bash_says "hold --dr" "--dry-run"
	bash -n $dir/sortie.bash || fail "sortie.bash"
fi
! command -v zsh > /dev/null || { zsh -n $dir/_sortiectl && zsh -n $dir/_sortie; } || fail "zsh"
! command -v fish > /dev/null || { fish -n $dir/sortiectl.fish && fish -n $dir/sortie.fish; } || fail "fish"
[ $bad = 1 ] || echo "completion: ok"
exit $bad
