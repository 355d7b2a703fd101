# fresh.sh: from a minimal Debian to cron's mail at the provider's, as an administrator types it: every command, and
# how long it took. The provider (relay.py) wants TLS, with a certificate of an authority that this machine
# knows, and a login. Read by run.sh.

# An authority, and what the relay shows.
fresh_certificates() { # folder
	(
		cd "$1" && umask 077 && printf '%s\n' 'basicConstraints=CA:FALSE' 'subjectAltName=DNS:smtp.example.com' > ext &&
			openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -keyout ca.key -out ca.crt \
				-subj '/CN=an authority' &&
			openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out csr.pem -subj /CN=smtp.example.com &&
			openssl x509 -req -in csr.pem -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile ext -out crt.pem &&
			cat crt.pem ca.crt key.pem > relay.pem
	) > "$1/certificates.log" 2>&1
}

# What every machine has that may send mail with TLS, and a compiler; with the network. This is not timed as ours.
make_fresh() {
	cp -a "$roots/base" "$roots/fresh" &&
		add_packages "$roots/fresh" make gcc libc6-dev libssl-dev ca-certificates cron &&
		in_root "$roots/fresh" apt-get clean
}

command -v openssl > /dev/null || missing 'needs openssl'
make_root fresh make_fresh
sed 's/^/system: a compiler, make, OpenSSL, cron installed in /' "$roots/fresh.made"
rm -rf "${out:?}/fresh"
mkdir -p "$out/fresh"
fresh_certificates "$out/fresh" || missing "no certificates: $out/fresh/certificates.log"
enter fresh "$out/fresh" administrator.sh fresh callers
