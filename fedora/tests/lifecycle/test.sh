#!/bin/sh
# Build a package with the installed macros, and take it through its life on this very system.
set -eux
work=$(mktemp -d)
trap 'rpm -e greeting 2>/dev/null || :; rm -rf "$work"' EXIT
environment=/opt/greeting/penv

mkdir -p "$work/wheels"
python3 - "$work/wheels" <<'WHEEL'
import base64, hashlib, sys, zipfile

info = "greeting-1.0.dist-info"
files = {
    "greeting.py": "def main():\n    print('hello from 1.0')\n",
    f"{info}/METADATA": "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n",
    f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{info}/entry_points.txt": "[console_scripts]\ngreeting = greeting:main\n",
}
rows = []
with zipfile.ZipFile(f"{sys.argv[1]}/greeting-1.0-py3-none-any.whl", "w") as wheel:
    for name, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
        rows.append(f"{name},sha256={digest.rstrip(b'=').decode()},{len(text)}\n")
        wheel.writestr(name, text)
    wheel.writestr(f"{info}/RECORD", "".join(rows) + f"{info}/RECORD,,\n")
WHEEL
sha256=$(sha256sum "$work"/wheels/*.whl | cut -d ' ' -f 1)
echo "greeting==1.0 --hash=sha256:$sha256" > "$work/requirements.txt"

cat > "$work/greeting.spec" <<SPEC
Name:           greeting
Version:        1.0
Release:        1
Summary:        Says hello
License:        MIT
BuildArch:      noarch
BuildRequires:  venv-rpm-macros

%description
Says hello, from a virtual environment of its own.

%install
%venv_declare -r $work/requirements.txt -b wheels -w $work/wheels -o $environment

%files -f %{venv_files}
SPEC
rpmbuild -bb --define "_topdir $work/rpmbuild" "$work/greeting.spec"

rpm -i "$work"/rpmbuild/RPMS/noarch/greeting-1.0-1.noarch.rpm
[ "$($environment/bin/greeting)" = "hello from 1.0" ]
rpm-venv verify $environment
rpm-venv list | grep -F "$environment"
rpm -V greeting rpm-venv
module=$(echo $environment/lib/python3*/site-packages/greeting.py)
echo "# touched" >> "$module"
if rpm-venv verify $environment || rpm -V rpm-venv; then exit 1; fi
rpm-venv repair $environment
rpm-venv verify $environment
rpm -V rpm-venv
rpm -e greeting
if [ -e /opt/greeting ] || rpm-venv list | grep -F $environment; then exit 1; fi
