# lib_tls.sh: certificates and credentials, for scripts that have read lib.sh; read by them, not run.
#
# The server is mx.there.example, which $dir/hosts leads to 127.0.0.1; alice has a password, and a
# client certificate; robot has a token.
need openssl

user=alice
password='correct horse "battery" \ staple' # what has to be quoted, in more than one place
token=ya29.a0AfB_byC~x/y+z==
tls=$dir/tls
mkdir -p "$tls"
echo "127.0.0.1 mx.there.example" > "$dir/hosts"

# A key and a certificate, $tls/NAME.key and NAME.pem, signed by the CA or by itself.
make_cert() { # name subject extension [ca]
	printf '[req]\ndistinguished_name=d\nx509_extensions=x\n[d]\n[x]\n%s\n' "$3" > "$tls/conf"
	# shellcheck disable=SC2086
	openssl req -x509 ${4:+-CA $tls/$4.pem -CAkey $tls/$4.key} -config "$tls/conf" -newkey ec \
		-pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tls/$1.key" -out "$tls/$1.pem" \
		-days 30 -subj "$2" 2> "$tls/err" || fail "openssl: $(cat "$tls/err")"
	chmod 644 "$tls/$1.key" # servers read it as whoever they are
}
make_cert ca "/CN=Interop CA" basicConstraints=critical,CA:TRUE
make_cert mx "/CN=mx" subjectAltName=DNS:mx.there.example ca
make_cert $user "/CN=$user" "subjectAltName=email:$user@there.example" ca

# What sortie.conf needs for that server; more lines behind it.
configure_login() { # url line...
	url=$1
	shift
	configure "relay $url" "hosts $dir/hosts" "ca $tls/ca.pem" "auth $dir/auth" "$@"
}

quoted() { # text: as a word of the auth file
	printf '"%s"' "$(printf '%s' "$1" | sed 's/[\\"]/\\&/g')"
}

# The one line of credentials.
credentials() { # keyword...
	(umask 077 && printf 'machine mx.there.example login %s %s\n' "${login:-$user}" "$*" > "$dir/auth")
}

# Two messages go out after a login with that mechanism.
logs_in() { # mechanism
	forget
	queue plain "good@there.example"
	queue dots "good@there.example"
	"$sortie" -C "$dir/conf" -v -q > "$dir/out.run" 2>&1 || fail "$url, $1: sortie -q: status $?"
	[ "$(waiting)" -eq 0 ] || fail "$url, $1: $(grep 'status=' "$dir/log" | tail -n 1)"
	grep -q "AUTH $1\( \|$\)" "$dir/out.run" || fail "$url: another mechanism than $1 was used"
	[ "$(grep -c 'Verified TLS connection established' "$dir/log")" -ge 1 ] || fail "$url, $1: not verified"
	no_secret "$1"
	case ${done_with:=} in
	*" ${url%%:*}:"*) ;;
	*) done_with="$done_with ${url%%:*}:" ;;
	esac
	done_with="$done_with $1"
}

# The login is refused: all waits, nothing comes back.
stays_out() { # mechanism
	forget
	queue plain "good@there.example"
	run_queue
	[ "$(waiting)" -eq 1 ] || fail "$url, $1: a login with a wrong password, and $(waiting) messages wait"
	! grep -q 'status=\(sent\|bounced\)' "$dir/log" || fail "$url, $1: sent or bounced without a login"
}

# Into $dir/secrets: the secrets, and their base64 wherever in a group of three they begin.
secrets() {
	for each in "$password" "$token"; do
		for pad in '' x xx; do
			printf '%s%s' "$pad" "$each" | base64 | tr -d '\n' | cut -c 5-24
		done
		printf '%s\n' "$each"
	done > "$dir/secrets"
}

no_secret() { # mechanism
	secrets
	! grep -r -F -f "$dir/secrets" "$dir/spool" "$dir/log" "$dir/out.run" > /dev/null ||
		fail "$url, $1: a secret shows"
}

secret_for() { # mechanism
	case $1 in
	OAUTHBEARER | XOAUTH2)
		login=robot kind=token secret=$token ;;
	*)
		login=$user kind=password secret=$password ;;
	esac
}

# With each of them, strongest first: the right secret and a wrong one; and which is chosen.
every_login() { # mechanism...
	strongest=$1
	for mechanism; do
		secret_for "$mechanism"
		credentials $kind "$(quoted "$secret")" mechanism "$mechanism"
		logs_in "$mechanism"
		credentials $kind wrong mechanism "$mechanism"
		stays_out "$mechanism"
	done
	login=$user
	credentials password "$(quoted "$password")"
	logs_in "$strongest"
}
