#!/bin/sh
# tables.sh: every option, key, command and word that a table of the program has is in its manual, and
# what the manuals describe is in the tables.
cd "$(dirname "$0")/../../.." || exit 1
man=src/man
bad=0

section() { # manual title: its lines
	awk -v title="$2" '/^\.Sh / { on = $0 == ".Sh " title } on' "$man/$1"
}

table() { # file, a pattern of its first line: the lines of an initialiser
	awk -v from="$2" '$0 ~ from { on = 1; next } /^\t?};/ { on = 0 } on' "$1"
}

first_strings() { # of "..." in each line
	sed -n 's/^[^"]*"\([^"]*\)".*/\1/p'
}

missing() { # what in-one-list in-the-other why
	for word in $2; do
		case " $(echo $3) " in
		*" $word "*) ;;
		*)
			echo "manual: $1: $word $4"
			bad=1 ;;
		esac
	done
}

same() { # what from-the-table from-the-manual
	if [ -z "$2" ] || [ -z "$3" ]; then
		echo "manual: $1: nothing was found in the $([ -z "$2" ] && echo source || echo manual)"
		bad=1
	fi
	missing "$1" "$2" "$3" 'is not in the manual'
	missing "$1" "$3" "$2" 'is in the manual and not in the program'
}

# --- sortie(8) ---

items=$(section sortie.8 DESCRIPTION | grep '^\.It .*Fl')
flags() { # pattern of a flag's name
	echo "$items" | grep -o "Fl $1" | cut -c4-
}

same 'options' "$(table src/options.c 'struct option table\[\]' | sed -n "s/^    {'\(.\)',.*/\1/p")" \
	"$(flags '[A-Za-z]' | sort -u)"
same 'modes' "$(grep -o '"-b[a-zA-Z]' src/options.c | cut -c3- | sort -u)" "$(flags 'b[A-Za-z]' | sort -u)"
same 'queue filters' "$(sed -n 's/.*strchr("\([A-Z]*\)", filter.*/\1/p' src/options.c | sed 's/./& /g')" \
	"$(echo "$items" | sed -n 's/^\.It Fl q Ns Oo.*Cm \([A-Z]\) .*/\1/p')"
same 'names' "sendmail send-mail sortie $(grep -o 'strcmp(base, "[a-z]*"' src/options.c | first_strings)" \
	"$(section sortie.8 NAME | sed -n 's/^\.Nm \([^ ]*\).*/\1/p') $(section sortie.8 SYNOPSIS |
		sed -n 's/^\.Nm \([a-z-]*\).*/\1/p' | sort -u)"

# --- sortie.conf(5) ---

keys=$(section sortie.conf.5 KEYS)
same 'keys' "$(table src/config_keys.c 'struct config_key keys\[\]' | first_strings)" \
	"$(echo "$keys" | sed -n 's/^\.It Ic \([a-z-]*\).*/\1/p')"
same 'words of keys' "$(
	table src/config_keys.c '} waits\[\]' | first_strings
	table src/config_tls_keys.c '} tls_levels\[\]' | first_strings
	grep -o '(how, "[a-z]*' src/config_local.c | cut -d'"' -f2
	grep -o '{"[a-z]*://' src/config_value.c | tr -d '{":/'
	grep -o '(url, "[a-z]*' src/config_value.c | cut -d'"' -f2
)" "$(echo "$keys" | sed -n 's/^\.It Cm \([a-z]*\).*/\1/p' | sort -u)"
same 'keywords of credentials' "$(grep -oE 'str_eqi\((keyword|word), "[a-z-]*' src/auth_file.c |
	cut -d'"' -f2 | sort -u)" \
	"$(section sortie.conf.5 'THE CREDENTIALS FILE' | sed -n 's/^\.It Ic \([a-z-]*\).*/\1/p')"

same 'default numbers' "$(sed -nE 's/^[[:space:]]*\.(port|sessions|sessions_per_site|recipients|addresses) = ([0-9]+),.*/\1=\2/p' \
	src/config.c | tr _ -)" \
	"$(echo "$keys" | sed -n -e 's/^\.It Ic \([a-z-]*\).*/\1/p' -e 's/^Default: \([0-9][0-9]*\)\.$/=\1/p' |
		awk '/^=/ { print key $0 } { key = $0 }')"
same 'default timeouts' "$(
	sed -nE 's/.*\[SMTP_WAIT_(GREETING|EHLO|MAIL|RCPT|DATA|BLOCK|DOT|RSET)\] = ([0-9]+),.*/\1=\2/p' \
		src/proto/smtp_patience.c | tr A-Z a-z
	sed -nE 's/^[[:space:]]*\.(connect|tls)_s = ([0-9]+),.*/\1=\2/p' src/config.c
)" "$(echo "$keys" | awk '
	/^\.It Cm / { name = $3; next }
	name != "" && /^[0-9]+[sm]/ { print name "=" ($1 ~ /m/ ? 60 * $1 : 1 * $1) }
	{ name = "" }')"

# --- sortiectl(8) ---

same 'commands of sortiectl' "help $(table src/ctl/sortiectl.c 'struct ctl_command commands\[\]' |
	sed -n 's/^    {"\([a-z]*\)".*/\1/p')" \
	"$(section sortiectl.8 COMMANDS | sed -n 's/^\.It Ic \([a-z]*\).*/\1/p')"
same 'options of sortiectl' "--help --version $(grep -ho '{"--[a-z-]*"' src/ctl/*.c | first_strings | sort -u)" \
	"$(grep -o 'Fl -[a-z-]*' $man/sortiectl.8 | sed 's/Fl /-/' | sort -u)"

[ $bad = 1 ] || echo 'manual: every option, key, command and word is there'
exit $bad
