#!/bin/sh
# Build the SRPM and the RPMs of this tree into $DIST, or dist/:
#
#   fedora/build.sh [--archive | --srpm] [OPTION OF RPMBUILD]...
#
# With --srpm the SRPM alone; with --archive the source archive alone, whose name is printed.
# Fetched sources are kept in build/sources; bundled.txt says which bytes they must have.
set -eu
stage=-ba
case ${1-} in
--srpm) stage=-bs && shift ;;
--archive) stage= && shift ;;
esac
tree=$(cd "$(dirname "$0")/.." && pwd)
sources=$tree/build/sources
dist=${DIST:-$tree/dist}
mkdir -p "$sources" "$dist"
work=$(mktemp -d "$tree/build/rpmbuild.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The tree's own environment, where there is one: it has pytest for %check, and pip.
venv=$tree/build/venv
[ -x "$venv/bin/pytest" ] || venv=$tree/.venv
python=python3
if [ -x "$venv/bin/pytest" ]; then
    python=$venv/bin/python
    set -- --define "__pytest $venv/bin/python -m pytest" "$@"
fi

version=$(sed -n 's/^Version: *//p' "$tree/fedora/venv-rpm-macros.spec")
archive=venv-rpm-macros-$version

tree_files() { # all but what git ignores: also a file that is about to be added
    if git -C "$tree" rev-parse --git-dir >/dev/null 2>&1; then
        git -C "$tree" ls-files -z --cached --others --exclude-standard
    else # a source archive holds just those, and what was built in it since
        cd "$tree" && find . -path ./build -prune -o -path ./dist -prune -o -path ./.venv -prune \
            -o -name '.*_cache' -prune -o -name __pycache__ -prune -o -type f -print0
    fi
}

# The same files give the same archive: names in order, no user, the time of the last commit.
time=${SOURCE_DATE_EPOCH:-$(git -C "$tree" log -1 --format=%ct 2>/dev/null || date +%s)}
tree_files | tar -C "$tree" -c --null -T - --ignore-failed-read --sort=name --mtime="@$time" \
    --owner=0 --group=0 --numeric-owner --transform="s,^\(\./\)\?,$archive/,S" |
    gzip -n > "$sources/$archive.tar.gz"
if [ -z "$stage" ]; then
    cp "$sources/$archive.tar.gz" "$dist"
    echo "$dist/$archive.tar.gz"
    exit
fi

# Wheels for any platform: what is bundled is pure Python and serves every interpreter.
have_wheels() {
    sed -n 's/.*sha256:\([0-9a-f]*\).*/\1/p' "$tree/fedora/bundled.txt" | while read -r sha256; do
        sha256sum "$sources"/*.whl 2>/dev/null | grep -q "^$sha256 " || exit 1
    done
}
have_wheels || "$python" -m pip download --quiet --disable-pip-version-check --no-deps \
    --require-hashes --only-binary :all: --implementation py --abi none --platform any \
    --python-version 3.9 --dest "$sources" -r "$tree/fedora/bundled.txt"

# Where rpm is a guest (Debian), its database knows no package and BuildRequires cannot hold.
guest=$(rpm -q rpm >/dev/null 2>&1 || echo --nodeps)
rpmbuild $stage $guest \
    --define "_topdir $work" \
    --define "_sourcedir $sources" \
    --define "_rpmdir $work/out" \
    --define "_srcrpmdir $work/out" \
    --define "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm" \
    "$@" "$tree/fedora/venv-rpm-macros.spec" > "$work/log" 2>&1 || {
    cat "$work/log" >&2
    exit 1
}
rm -f "$dist"/venv-rpm-macros-*.rpm "$dist"/rpm-venv-*.rpm
mv "$work"/out/*.rpm "$dist"
ls "$dist"/*.rpm
