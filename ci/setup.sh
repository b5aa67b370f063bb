# Sourced by the other scripts: gets everything they need, quickly when it is there already.
# Leaves the shell in the root of the tree, with .venv/bin first in PATH.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Where .venv is activated, its own Python would be the one that makes it again.
PATH=${PATH//"$PWD/.venv/bin:"/}

# want COMMAND PACKAGE: note a Debian package whose command is missing.
missing=()
want() {
    command -v "$1" >/dev/null 2>&1 || missing+=("$2")
}

install_missing() {
    [ ${#missing[@]} -eq 0 ] && return
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        as_root=(sudo -n)
    fi
    if ! command -v apt-get >/dev/null 2>&1 || ! "${as_root[@]}" true 2>/dev/null; then
        echo "Please install ${missing[*]} (Debian's names), then run this again." >&2
        exit 1
    fi
    echo "Installing ${missing[*]} ..."
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends \
        "${missing[@]}" >/dev/null
}

want python3 python3
want arm-none-eabi-gcc gcc-arm-none-eabi
want cc gcc
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
for command in ${H7_CI_COMMANDS:-}; do
    want "$command" "$command"
done
case "${H7_CI_COMMANDS:-}" in
*qemu*) [ -d /usr/lib/arm-none-eabi/newlib ] || missing+=(libnewlib-arm-none-eabi) ;;
esac
if ! python3 -c 'import pathlib, sys, sysconfig; sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").is_file())' 2>/dev/null; then
    missing+=(python3-dev)
fi
[ -e /usr/include/stdio.h ] || missing+=(libc6-dev)
install_missing

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then
    echo "pytest-h7 needs Python 3.10 or newer; $(python3 --version) is what python3 runs here." >&2
    exit 1
fi

# The environment is made again when what is to be in it, or the place of the tree, has changed.
stamp=$( (pwd; python3 --version; cat pyproject.toml) | sha256sum)
if [ "$(cat .venv/stamp 2>/dev/null)" != "$stamp" ]; then
    echo "Setting up .venv ..."
    rm -rf .venv
    python3 -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
    # labgrid has an environment of its own: it brings a pytest plugin and another edition of pyserial.
    python3 -m venv .venv/labgrid
    .venv/labgrid/bin/python -m pip install --quiet --disable-pip-version-check \
        "$(.venv/bin/python -c 'from importlib.metadata import requires; print(next(r for r in requires("pytest-h7") if r.startswith("labgrid")).partition(";")[0])')"
    echo "$stamp" >.venv/stamp
fi
export PATH="$PWD/.venv/bin:$PATH"
export PYTHON="$PWD/.venv/bin/python"
"$PYTHON" -m pytest_h7.engine_build
ci/firmware
