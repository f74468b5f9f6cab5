#!/usr/bin/env bash
# Makes deploy/secrets/tokens.txt, one random token, unless it is there.
#
# A container reads it as another user (10001), so the file is readable and the folder is not.
set -euo pipefail
cd "$(dirname "$0")/../secrets"

chmod 700 .
if [[ -s tokens.txt ]]; then
    echo "deploy/secrets/tokens.txt is there already" >&2
    exit 0
fi
rm -f tokens.txt.part
(umask 077 && head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' > tokens.txt.part)
echo >> tokens.txt.part
chmod 444 tokens.txt.part
mv -f tokens.txt.part tokens.txt
echo "made deploy/secrets/tokens.txt: the token that clients send" >&2
