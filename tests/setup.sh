#!/bin/sh
# Install what the demo and the tests need from the distribution, on Debian or Fedora, once.
# Says what it would install where it may not (an ordinary user).
set -eu

debian="rpm dnf python3-pip python3-setuptools python3-wheel createrepo-c elfutils rpmlint
    python3-rpm python3-venv python3-dev gcc make git strace unzip xfsprogs btrfs-progs
    tcsh zsh fish ksh go-md2man groff-base faketime devscripts bubblewrap"
fedora="rpm-build dnf createrepo_c elfutils rpmlint python3-rpm python3-devel python3-pip
    python3-setuptools python3-wheel gcc make git strace unzip xfsprogs btrfs-progs util-linux
    tcsh zsh fish ksh golang-github-cpuguy83-md2man groff-base libfaketime
    devscripts-checkbashisms bubblewrap"

missing() {
    for package in "$@"; do
        case $manager in
        apt) dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            echo "$package" ;;
        dnf) rpm -q "$package" >/dev/null 2>&1 || echo "$package" ;;
        esac
    done
}

if [ -e /etc/debian_version ]; then
    manager=apt wanted=$(missing $debian)
elif command -v dnf >/dev/null; then
    manager=dnf wanted=$(missing $fedora)
else
    echo "setup: this is neither Debian nor Fedora: install rpm-build, dnf and createrepo_c" >&2
    exit 1
fi
[ -n "$wanted" ] || exit 0
if [ "$(id -u)" != 0 ]; then
    echo "setup: these packages are missing and installing them needs root:" $wanted >&2
    exit 1
fi
echo "setup: installing" $wanted >&2
case $manager in
apt)
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends $wanted >/dev/null
    ;;
dnf) dnf install -y -q $wanted ;;
esac
