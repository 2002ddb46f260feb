#!/bin/sh
# Make the manual pages from the documents: fedora/manuals.sh VERSION DIRECTORY. Needs go-md2man.
set -eu
version=$1 out=$2
tree=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$out"

# page NAME SECTION DOCUMENT SUMMARY TITLE
page() {
    {
        printf '%% %s(%s)\n\n# NAME\n\n%s - %s\n\n# DESCRIPTION\n\n' "$1" "$2" "$1" "$4"
        # The document without its title, one rank up, its links as their text.
        sed -e 1d -e 's/^## /# /; s/^### /## /' -e 's/\[\([^]]*\)\]([^)]*)/\1/g' "$tree/docs/$3"
        printf '\n# SEE ALSO\n\n**rpm-venv**(8), **rpm-venv.conf**(5), **macros.venv**(7)\n'
    } | go-md2man | # which does not part the title, breaks rows after a long cell, and fits no width
        sed -e 's/^\(l .*\)l \.$/\1lx ./' -e "s/^\.TH .*/.TH \"$1\" \"$2\" \"\" \"rpm-venv $version\" \"$5\"/" \
            -e ':row; /^T}$/ { N; s/^T}\n\t/T}\t/; t row; }' |
        awk -F '\t' -v OFS='\t' '
            /^\.T[SE]/ { inside = /^\.TS/ }
            inside { for (i = 1; i <= NF && NF > 1; i++) if (length($i) > 40) $i = "T{\n" $i "\nT}" }
            { print }' > "$out/$1.$2"
}

page rpm-venv 8 commands.md \
    "virtual environments that rpm installs, verifies, upgrades and removes" "System Administration"
page rpm-venv.conf 5 configuration.md "configuration of rpm-venv" "File Formats"
page macros.venv 7 macros.md "rpm macros for virtual environments" "RPM macros"
