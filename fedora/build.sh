#!/bin/sh
# Build the SRPM and the RPMs of this tree into $DIST, or dist/:
#
#   fedora/build.sh [--archive | --srpm] [OPTION OF RPMBUILD]...
#
# With --srpm the SRPM alone; with --archive what goes into it, and the source archive's name is printed.
# Fetched sources are kept in build/sources; bundled.txt says which bytes they must have.
#
# The same files and the same SOURCE_DATE_EPOCH (the time of the last commit where it is not set) give
# the same bytes, whatever the directory, the umask, the user, the machine's name and the time.
set -eu
umask 022
stage=-bb
case ${1-} in
--srpm) stage=-bs && shift ;;
--archive) stage= && shift ;;
esac
tree=$(cd "$(dirname "$0")/.." && pwd)
sources=$tree/build/sources
dist=${DIST:-$tree/dist}
mkdir -p "$sources" "$dist"
dist=$(cd "$dist" && pwd)
work=$(mktemp -d "$tree/build/rpmbuild.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The tree's own environment, where there is one: it has pytest for %check, and pip.
venv=$tree/build/venv
[ -x "$venv/bin/pytest" ] || venv=$tree/.venv
python=python3
pytest=
if [ -x "$venv/bin/pytest" ]; then
    python=$venv/bin/python
    pytest="__pytest $venv/bin/python -m pytest"
fi

version=$(sed -n 's/^Version: *//p' "$tree/fedora/venv-rpm-macros.spec")
archive=venv-rpm-macros-$version

tree_files() { # all but what git ignores: also a file that is about to be added
    if git -C "$tree" rev-parse --git-dir >/dev/null 2>&1; then
        git -C "$tree" ls-files -z --cached --others --exclude-standard
    else # a source archive holds just those, and what was built in it since
        cd "$tree" && find . -path ./build -prune -o -path ./dist -prune -o -path ./.venv -prune \
            -o -name '.*_cache' -prune -o -name __pycache__ -prune -o -type f -printf '%P\0'
    fi | LC_ALL=C sort -z -u
}

time=${SOURCE_DATE_EPOCH:-$(git -C "$tree" log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH="$time"
tree_files | tar -C "$tree" -c --null -T - --ignore-failed-read --format=gnu --mtime="@$time" \
    --mode=a+rX,u+w,go-w --owner=0 --group=0 --numeric-owner --transform="s,^,$archive/,S" |
    gzip -n > "$sources/$archive.tar.gz"

# Wheels for any platform: what is bundled is pure Python and serves every interpreter.
have_wheels() {
    sed -n 's/.*sha256:\([0-9a-f]*\).*/\1/p' "$tree/fedora/bundled.txt" | while read -r sha256; do
        sha256sum "$sources"/*.whl 2>/dev/null | grep -q "^$sha256 " || exit 1
    done
}
have_wheels || "$python" -m pip download --quiet --disable-pip-version-check --no-deps \
    --require-hashes --only-binary :all: --implementation py --abi none --platform any \
    --python-version 3.9 --dest "$sources" -r "$tree/fedora/bundled.txt"

bundled() { # the names of the wheels
    sed -n 's/^SHA512 (\(.*\.whl\)) = .*/\1/p' "$tree/fedora/sources"
}
if [ -z "$stage" ]; then
    bundled | while read -r wheel; do cp "$sources/$wheel" "$dist"; done
    cp "$sources/$archive.tar.gz" "$dist"
    echo "$dist/$archive.tar.gz"
    exit
fi

# What dist-git and the lookaside cache have, with the archive's own line, which cannot be in itself.
mkdir "$work/in"
cp "$sources/$archive.tar.gz" "$tree/fedora/changelog" "$tree/fedora/venv-rpm-macros.spec" \
    "$tree/fedora/sources" "$work/in"
bundled | while read -r wheel; do cp "$sources/$wheel" "$work/in"; done
(
    cd "$work/in"
    sha512sum --tag "$archive.tar.gz" >> sources
    sha512sum --quiet -c sources
    chmod 0644 ./* && touch -d "@$time" ./*
)

build() { # STAGE [OPTION]...; in the directory of the sources: see _sourcedir below
    # Where rpm is a guest (Debian), its database knows no package and BuildRequires cannot hold.
    rpm -q rpm >/dev/null 2>&1 || set -- "$@" --nodeps
    (cd "$work/in" && rpmbuild "$@" \
        --define "_rpmdir $work/out" \
        --define "_srcrpmdir $work/out" \
        --define "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm" \
        --define "_buildhost localhost" \
        --define "_srcdefattr (-,root,root)" \
        --define "use_source_date_epoch_as_buildtime 1" \
        --define "clamp_mtime_to_source_date_epoch 1" \
        venv-rpm-macros.spec) > "$work/log" 2>&1 || {
        cat "$work/log" >&2
        exit 1
    }
}

# From rpm 4.18 a source package has the spec file with its macros expanded: no path of this machine
# may be in it. rpmbuild -bs reads sources and writes nothing but the package.
build -bs "$@" --define "_topdir /builddir/build" --define "_sourcedir ."
if [ "$stage" = -bb ]; then
    [ -z "$pytest" ] || set -- --define "$pytest" "$@"
    build -bb "$@" --define "_topdir $work" --define "_sourcedir $work/in"
fi
rm -f "$dist"/venv-rpm-macros-*.rpm "$dist"/rpm-venv-*.rpm
mv "$work"/out/*.rpm "$dist"
cp -p "$sources/$archive.tar.gz" "$work/in/sources" "$dist"
ls "$dist"/*.rpm
