#!/usr/bin/env bash
# Installs the device on a Raspberry Pi, or any 64-bit Debian 12 or newer, as a service that starts with the machine.
# Run it again to bring it up to date, or after it was interrupted. `install.sh --help` says the rest.
set -Eeuo pipefail

readonly PREFIX=/opt/residual-echo          # programs; and which packages came with them
readonly SETTINGS=/etc/residual-echo        # device.toml, mosquitto.conf
readonly UNITS=/etc/systemd/system
readonly STATE=/var/lib/residual-echo       # and -cloud, -broker: what was said
readonly RUN=/run/residual-echo-install     # while it runs: .lock, and .log of what it runs
readonly PYTHON=/usr/bin/python3
readonly NEEDED_MB=700                      # measured on x86-64: 164 for the device, 241 more for the cloud; and what builds them

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE

usage() {
  cat <<'END'
Usage: sudo hardware/install.sh [OPTION]... [WHEEL]

Installs the device from this checkout, or from WHEEL, with a user of its own and as a service. Asks nothing.

  --with-broker   Mosquitto too, on this machine alone (127.0.0.1:1883)
  --with-cloud    the cloud stub too, on that broker
  --dry-run       print what would be done, and do nothing
  --uninstall     remove all of it: programs, services, users, settings, the packages that came with it, and
                  everything that was said
  --keep-data     with --uninstall: what was said stays in /var/lib/residual-echo*, and only root can read it
  --help          this

Settings are in /etc/residual-echo/device.toml. What it does: systemctl status residual-echo; journalctl -u residual-echo
END
}

die() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}

say() { printf '%s\n' "$*"; }

# Does it, or says that it would be done.
act() {
  if [[ $dry_run ]]; then
    say "would run: $*"
  else
    "$@"
  fi
}

# Programs do not always say so: what they run says it, or nobody does.
disk_is_full() {
  local megabytes all files # some file systems do not count files: all is 0
  read -r megabytes all files < <(df --output=avail,itotal,iavail -BM "$PREFIX" 2>/dev/null | tr -dc '0-9 \n' | tail -n 1)
  ((${megabytes:-99} < 20 || (${all:-0} > 0 && ${files:-0} < 200)))
}

# step WHAT COMMAND...: does it in silence; where it fails, shows the end of what it printed, the cause and the remedy.
step() {
  local what=$1 log=$RUN.log
  shift
  if [[ $dry_run ]]; then
    say "$what: would run $*"
    return
  fi
  say "$what"
  # In a shell of its own: where this one is interrupted, it does not say so into the log.
  if ("$@") >"$log" 2>&1; then return; fi
  tail -n 15 "$log" >&2
  local remedy="See the lines above. Then run this again: it goes on from here."
  if grep -qi 'No space left on device\|enough free space' "$log" || disk_is_full; then
    remedy="The disk is full. Free some space (df -h), then run this again: it goes on from here."
  elif grep -qi 'could not resolve\|temporary failure\|unable to connect\|failed to fetch\|connection failed\|newconnectionerror\|could not find a version\|no matching distribution\|connection.*\(refused\|broken\|reset\|timed out\)\|network is unreachable' "$log"; then
    remedy="Check the network (ping debian.org). Then run this again: it goes on from here."
  elif grep -qi 'could not get lock\|lock was locked by another process' "$log"; then
    remedy="Another program installs packages. Wait until it has ended, then run this again."
  fi
  die "failed: $what. $remedy"
}

# ---- what this machine is ----------------------------------------------------------------------------------------

os_release() { sed -n "s/^$1=\"\?\([^\"]*\)\"\?$/\1/p" /etc/os-release 2>/dev/null || true; }

check_machine() {
  local id version name bits
  id=$(os_release ID) version=$(os_release VERSION_ID) name=$(os_release PRETTY_NAME)
  local elsewhere="Elsewhere, install it by hand: python3 -m venv DIR && DIR/bin/pip install CHECKOUT"
  [[ $id == debian || $id == raspbian ]] \
    || die "this is ${name:-an unknown system}. This installer knows Raspberry Pi OS and Debian. $elsewhere"
  # Debian's testing has no number.
  [[ -z $version || ${version%%.*} -ge 12 ]] \
    || die "this is $name, whose Python is too old. Upgrade to Debian 12 or Raspberry Pi OS bookworm, or newer."
  bits=$(dpkg --print-architecture)
  [[ $bits == arm64 || $bits == amd64 ]] \
    || die "this is a $bits system, for which the speech recogniser is not built. Install the 64-bit Raspberry Pi OS."
  command -v systemctl >/dev/null || die "there is no systemd here to run a service. Install it: apt install systemd"
}

check_python() {
  [[ $dry_run ]] && return
  "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
    || die "$("$PYTHON" --version 2>&1) at $PYTHON is too old. Python 3.11 or newer is needed: apt install python3"
}

check_space() {
  local place=$PREFIX free
  [[ -e $place ]] || place=${PREFIX%/*}
  free=$(df --output=avail -BM "$place" | tail -n 1 | tr -dc 0-9)
  ((free >= NEEDED_MB)) \
    || die "$free MB are free where $PREFIX is; $NEEDED_MB are needed. Free some space (df -h), then run this again."
}

systemd_runs() { [[ -d /run/systemd/system ]]; }

# ---- packages ----------------------------------------------------------------------------------------------------

export DEBIAN_FRONTEND=noninteractive
apt_get() { apt-get -q -o DPkg::Lock::Timeout=120 "$@"; }

state() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true; }
installed() { [[ $(state "$1") == installed ]]; }
gone() { [[ $(state "$1") == "" || $(state "$1") == not-installed ]]; }

# Not `| grep -q`: it ends at the first match, and what writes to it then fails, and with it the pipe.
available() { [[ $(apt-cache policy "$1" 2>/dev/null) == *"Candidate: "[^\(]* ]]; }

# What was interrupted half-way, here or elsewhere: dpkg configures what is whole, apt fetches anew what is not. Nobody's
# packages are removed for it. What cannot be finished so, the next step of apt's names.
finish_packages() {
  dpkg --configure -a || true
  apt_get install -y --fix-broken --no-remove --no-install-recommends || true
}

wanted_packages() {
  # libatomic1: the speech recogniser's build for arm64 needs it. espeak-ng: the voice.
  echo python3 python3-venv libportaudio2 libatomic1 espeak-ng
  if [[ $with_broker ]]; then echo mosquitto; fi
}

install_packages() {
  local name missing=() extra=()
  step "finishing what another installation may have left" finish_packages
  for name in $(wanted_packages); do installed "$name" || missing+=("$name"); done
  if [[ $dry_run ]]; then
    ((${#missing[@]} == 0)) || say "would install packages: ${missing[*]}"
    return
  fi
  if ((${#missing[@]})); then step "asking which packages there are" apt_get update; fi
  # Raspberry Pi OS has these, Debian not all of them; they are for pins and lights.
  for name in python3-lgpio python3-spidev; do
    if ! installed "$name" && available "$name"; then extra+=("$name"); fi
  done
  missing+=("${extra[@]}")
  ((${#missing[@]})) || return 0
  for name in "${missing[@]}"; do
    available "$name" || die "there is no package $name. Look at /etc/apt/sources.list, then run this again."
  done
  # Written down before: what is interrupted here has to be removable too.
  apt_get install --simulate --no-install-recommends "${missing[@]}" | sed -n 's/^Inst \([^ ]*\).*/\1/p' \
    >>"$PREFIX/packages"
  # Ours is the only broker: Debian's own would take the port.
  if [[ " ${missing[*]} " == *" mosquitto "* ]]; then
    touch "$PREFIX/masked-mosquitto"
    # Debian's package makes a user for itself, and leaves it behind.
    if ! getent passwd mosquitto >/dev/null; then touch "$PREFIX/made-mosquitto"; fi
    systemctl --quiet mask mosquitto.service
  fi
  step "installing ${missing[*]}" apt_get install -y --no-install-recommends "${missing[@]}"
}

# Those of ours, or what is left of them, whose removal takes nothing with it that somebody else has installed.
removable_packages() {
  local ours name
  ours=$(sort -u "$PREFIX/packages" | while read -r name; do gone "$name" || echo "$name"; done)
  if takes_others "$ours" "$ours"; then
    for name in $ours; do
      if takes_others "$ours" "$name"; then
        say "$name stays: other packages need it" >&2
      else
        echo "$name"
      fi
    done
  else
    echo "$ours"
  fi
}

# apt leaves the settings of what was half removed.
purge_packages() { apt_get purge -y "$@" && dpkg --purge "$@"; }

# takes_others OURS NAMES: whether the removal of NAMES takes packages with it that are not among OURS.
takes_others() {
  # shellcheck disable=SC2086,SC2143 # a list of names; and not grep -q, as above
  [[ -n $(apt_get purge --simulate $2 | sed -n 's/^\(Purg\|Remv\) \([^ :]*\).*/\2/p' | grep -vxF "$1") ]]
}

# ---- programs ----------------------------------------------------------------------------------------------------

# A wheel of this checkout, built from a copy: building writes into the folder it builds.
build_wheel() {
  mkdir "$TMPDIR/checkout" \
    && tar -C "$HERE/.." --exclude=./.git --exclude=./.venv --exclude=./build --exclude='*.egg-info' \
      --exclude='__pycache__' -c . | tar -C "$TMPDIR/checkout" -x --no-same-owner \
    && "$PYTHON" -m venv --clear "$TMPDIR/builder" \
    && "$TMPDIR/builder/bin/pip" wheel -q --no-deps --no-cache-dir -w "$TMPDIR" "$TMPDIR/checkout"
}

# install_program NAME EXTRA: into a venv of its own. One that is not whole is made anew.
install_program() {
  local place=$PREFIX/$1
  if [[ ! -e $place/whole ]]; then
    step "making $place" "$PYTHON" -m venv --clear --system-site-packages "$place"
  fi
  act rm -f "$place/whole"
  step "installing the $1" "$place/bin/pip" install -q --no-cache-dir "${wheel}[$2]"
  # The same version may be another state of the checkout.
  step "bringing the $1 up to date" "$place/bin/pip" install -q --no-cache-dir --no-deps --force-reinstall "$wheel"
  act touch "$place/whole"
}

# ---- users, settings, services -----------------------------------------------------------------------------------

make_user() { # NAME GROUP...
  local name=$1 group
  shift
  if ! getent passwd "$name" >/dev/null; then
    act useradd --system --home-dir "$STATE${name#residual-echo}" --no-create-home --shell /usr/sbin/nologin "$name"
  fi
  for group in "$@"; do
    if getent group "$group" >/dev/null; then act usermod --append --groups "$group" "$name"; fi
  done
}

write_settings() {
  if [[ -e $SETTINGS/device.toml ]]; then
    say "$SETTINGS/device.toml stays as it is"
    return
  fi
  if [[ $dry_run ]]; then
    say "would write $SETTINGS/device.toml"
    return
  fi
  say "writing $SETTINGS/device.toml"
  install -d -m 0755 "$SETTINGS"
  # Complete, or not there: a part of it would stay for ever.
  "$PREFIX/device/bin/echo-device" settings --init --config "$TMPDIR/device.toml" >/dev/null
  printf '\n# For the service.\ndata = "%s"\n' "$STATE" >>"$TMPDIR/device.toml"
  # It may come to hold the broker's password.
  install -m 0640 -g residual-echo "$TMPDIR/device.toml" "$SETTINGS/device.toml.new"
  mv "$SETTINGS/device.toml.new" "$SETTINGS/device.toml"
}

enable_service() { # NAME: now, where systemd runs; else at the next start
  act install -m 0644 "$HERE/units/$1.service" "$UNITS/$1.service"
  services+=("$1.service")
}

start_services() {
  step "enabling ${services[*]}" systemctl enable "${services[@]}"
  if systemd_runs; then
    step "reading the units" systemctl daemon-reload
    step "starting ${services[*]}" systemctl restart "${services[@]}"
  else
    say "systemd does not run here: the services start with the machine"
  fi
}

# ---- the two things this does ------------------------------------------------------------------------------------

install_all() {
  check_machine
  # What is here is brought up to date, whether or not it is named again.
  if [[ -e $PREFIX/cloud ]]; then with_cloud=yes; fi
  if [[ -e $UNITS/residual-echo-broker.service ]]; then with_broker=yes; fi
  local own_broker=""
  if installed mosquitto && ! grep -qsx mosquitto "$PREFIX/packages"; then
    own_broker=yes
    if [[ $with_broker ]]; then
      say "Mosquitto is here already, and stays yours. Let it listen on 127.0.0.1:1883, with: max_queued_messages 0"
    fi
    with_broker=""
  fi
  [[ ! $with_cloud || $with_broker || $own_broker ]] \
    || die "the cloud stub needs a broker on this machine. Add --with-broker."
  [[ -z $wheel || -r $wheel ]] || die "there is no wheel $wheel. Name one, or none to install this checkout."

  if [[ ! $dry_run ]]; then
    check_space
    # On the disk that the programs go to: /tmp may be small, in memory, or both.
    export TMPDIR=$PREFIX/tmp
    rm -rf "$TMPDIR"
    mkdir -p "$PREFIX"
    mkdir -m 0700 "$TMPDIR"
  fi
  install_packages
  check_python
  if [[ -z $wheel ]]; then
    step "building a wheel of $(dirname "$HERE")" build_wheel
    wheel=$(find "${TMPDIR:-/nowhere}" -maxdepth 1 -name '*.whl' 2>/dev/null || true)
    [[ ! $dry_run ]] || wheel=WHEEL
  else
    wheel=$(realpath "$wheel")
  fi
  install_program device hardware
  if [[ $with_cloud ]]; then install_program cloud cloud; fi
  make_user residual-echo audio gpio spi
  if [[ $with_cloud ]]; then make_user residual-echo-cloud; fi
  write_settings
  services=()
  if [[ $with_broker ]]; then
    act install -m 0644 "$HERE/units/mosquitto.conf" "$SETTINGS/mosquitto.conf"
    enable_service residual-echo-broker
  fi
  if [[ $with_cloud ]]; then enable_service residual-echo-cloud; fi
  enable_service residual-echo
  start_services
  if [[ $dry_run ]]; then
    say "nothing was done."
    return
  fi
  rm -rf "$TMPDIR"
  if [[ ! $with_broker && ! $own_broker ]] && ! grep -q '^broker *=' "$SETTINGS/device.toml"; then
    say "There is no broker here. For one: $0 --with-broker. Or write the address of yours into $SETTINGS/device.toml," \
      "as broker = \"mqtt://HOST:1883\"; then: systemctl restart residual-echo"
  fi
  # A sound card without a sound server has one listener: while the service runs, the check would find it taken.
  say "done. What it does: journalctl -fu residual-echo. To check it, stop it meanwhile (systemctl stop residual-echo):" \
    "sudo -u residual-echo $PREFIX/device/bin/echo-device doctor --config $SETTINGS/device.toml"
}

uninstall_all() {
  local name packages=()
  for name in residual-echo residual-echo-cloud residual-echo-broker; do
    if [[ -e $UNITS/$name.service ]]; then
      if systemd_runs; then act systemctl stop "$name.service"; fi
      step "disabling $name" systemctl disable "$name.service"
      act rm -f "$UNITS/$name.service"
    fi
    act rm -rf "$UNITS/$name.service.d"
  done
  if [[ -e $PREFIX/packages ]]; then
    step "finishing what an installation may have left" finish_packages
    mapfile -t packages < <(removable_packages)
    if ((${#packages[@]})); then step "removing ${packages[*]}" purge_packages "${packages[@]}"; fi
  fi
  if [[ -e $PREFIX/masked-mosquitto ]]; then act rm -f "$UNITS/mosquitto.service"; fi
  if [[ -e $PREFIX/made-mosquitto ]] && ! installed mosquitto && getent passwd mosquitto >/dev/null; then
    act userdel mosquitto
  fi
  if systemd_runs; then act systemctl daemon-reload; fi
  for name in "$STATE" "$STATE-cloud" "$STATE-broker"; do
    [[ -e $name ]] || continue
    if [[ $keep_data ]]; then
      say "keeping $name for root alone: its user's number may be given to another"
      act chown -R root:root "$name"
    else
      say "removing $name, and what was said with it ($(du -sh "$name" | cut -f 1)). --keep-data would keep it."
      act rm -rf "$name"
    fi
  done
  for name in residual-echo residual-echo-cloud; do
    if getent passwd "$name" >/dev/null; then act userdel "$name"; fi
  done
  act rm -rf "$SETTINGS" "$PREFIX"
  if [[ $dry_run ]]; then say "nothing was done."; else say "done."; fi
}

# ---- arguments ---------------------------------------------------------------------------------------------------

dry_run="" with_cloud="" with_broker="" uninstall="" keep_data="" wheel=""
for argument in "$@"; do
  case $argument in
    --help) usage && exit ;;
    --dry-run) dry_run=yes ;;
    --with-cloud) with_cloud=yes ;;
    --with-broker) with_broker=yes ;;
    --uninstall) uninstall=yes ;;
    --keep-data) keep_data=yes ;;
    -*) die "there is no option $argument. See: install.sh --help" ;;
    *) wheel=$argument ;;
  esac
done
[[ ! $keep_data || $uninstall ]] || die "--keep-data is for --uninstall: an installation never removes data."
[[ $dry_run || $(id -u) == 0 ]] || die "this needs root. Run: sudo $0 $*"
if [[ ! $dry_run ]]; then
  exec 9>"$RUN.lock"
  flock --nonblock 9 || die "another install.sh is at work. Wait until it has ended."
  trap 'rm -f "$RUN.lock" "$RUN.log"' EXIT
fi
trap 'die "failed: $BASH_COMMAND. See the lines above. Then run this again: it goes on from here."' ERR
trap 'die "interrupted. Run this again: it goes on from here."' INT TERM HUP

if [[ $uninstall ]]; then uninstall_all; else install_all; fi
