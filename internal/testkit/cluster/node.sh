# Boots a node: a machine with a file system, a process-id namespace and a host
# name of its own. Its disk is a layer over the machine's that stays from one boot
# to the next; what is in memory does not.
#
# $1: name. $2: root folder of the release that it runs. $3: true: it is in no cluster
# yet. $4: the control group below which systemd runs on it; empty: it has no systemd.
set -e
hostname "$1"
disk=/run/fixture/$1
root=$disk/root
mkdir -p "$disk/upper" "$disk/work" "$root"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$disk/upper,workdir=$disk/work" "$root"
mount -t proc proc "$root/proc"
if [ "$4" ]; then # systemd leaves the settings of the kernel alone where they are read-only
  mount --bind "$root/proc/sys" "$root/proc/sys"
  mount -o remount,bind,ro "$root/proc/sys"
  mount -t sysfs -o ro sysfs "$root/sys"
  mount -t tmpfs -o mode=755 dev "$root/dev"
  for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  mkdir "$root/dev/pts" "$root/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
else
  mount -t sysfs sysfs "$root/sys"
  mount --rbind /dev "$root/dev"
fi
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
mount -t tmpfs -o mode=755 run "$root/run"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mkdir "$root/run/fixture"
mount --rbind /run/share "$root/run/fixture"

if [ "$4" ]; then
  # Of this machine's own services none starts on the node. What this machine has for containers
  # keeps services from starting when they are installed.
  if [ ! -e "$root/etc/corosync/fixture" ]; then
    rm -rf "$root/etc/systemd/system/"*.wants "$root/usr/sbin/policy-rc.d" "$root/var/lib/man-db/auto-update"
    install -m 0644 /run/share/hosts "$root/etc/hosts"
    install -m 0755 /run/share/fence_fixture "$root/usr/sbin/fence_fixture"
    echo "$1" >"$root/etc/hostname"
    : >"$root/etc/machine-id"
    : >"$root/etc/fstab"
    for unit in getty.target systemd-modules-load.service systemd-remount-fs.service systemd-random-seed.service; do
      ln -sf /dev/null "$root/etc/systemd/system/$unit"
    done
    : >"$root/etc/corosync/fixture"
  fi
  units=$root/run/systemd/system
  mkdir -p "$units/multi-user.target.wants"
  unit() { # NAME: starts with the node
    cat >"$units/$1"
    ln -s "../$1" "$units/multi-user.target.wants"
  }
  unit fixture.service <<UNIT
[Service]
Type=oneshot
ExecStart=/bin/sh -ec 'if [ -e /run/fixture/setup ]; then sh -e /run/fixture/setup; fi; : >/run/booted'
UNIT
  for program in /run/share/units/*; do
    [ -x "$program" ] || continue
    unit "fixture-${program##*/}.service" <<UNIT
[Unit]
After=fixture.service
StartLimitIntervalSec=0
[Service]
ExecStart=/run/fixture/units/${program##*/}
Restart=always
RestartSec=1s
StandardOutput=append:/var/log/${program##*/}.log
StandardError=inherit
UNIT
  done
  mkdir -p /run/cgroups
  mount -t cgroup -o none,name=systemd cgroup /run/cgroups
  mkdir -p "/run/cgroups/$4"
  echo $$ >"/run/cgroups/$4/cgroup.procs"
  # shellcheck disable=SC2016 # that shell expands it
  exec unshare --cgroup /bin/sh -ec '
    mount -t tmpfs -o mode=755 cgroups "$1/sys/fs/cgroup"
    mkdir "$1/sys/fs/cgroup/systemd"
    mount -t cgroup -o none,name=systemd cgroup "$1/sys/fs/cgroup/systemd"
    exec env -i container=fixture PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
      chroot "$1" /lib/systemd/systemd --unit=multi-user.target
  ' systemd "$root"
fi

mkdir -p "$root/run/lock" "$root/run/resource-agents" "$root/run/thalassa"
# shellcheck disable=SC2016 # that shell expands it
exec chroot "$root" /bin/sh -c '
  export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
  first=$([ -e /etc/corosync/fixture ] || echo yes)
  if [ "$first" ]; then
    mkdir -p /etc/corosync /etc/pacemaker /var/lib/corosync /var/log/corosync /var/log/pacemaker /var/log/crmsh
    mkdir -p /var/lib/pacemaker/cib /var/lib/pacemaker/pengine /var/lib/pacemaker/blackbox /var/lib/pacemaker/cores
    mkdir -p /usr/lib/ocf/resource.d/thalassa
    if [ "$2" != true ]; then
      install -m 0400 /run/fixture/authkey /etc/corosync/authkey
      install -m 0644 /run/fixture/corosync.conf /etc/corosync/corosync.conf
      install -m 0600 /run/fixture/cib.xml /var/lib/pacemaker/cib/cib.xml
    fi
    install -m 0755 /run/fixture/fence_fixture /usr/sbin/fence_fixture
    install -m 0644 /run/fixture/hosts /etc/hosts
    chown -R hacluster:haclient /var/lib/pacemaker /var/log/pacemaker
    : >/etc/corosync/fixture
  fi
  if [ "$2" != true ]; then # in place of init scripts: a service runs while its file is there
    install -m 0755 /run/fixture/service /usr/sbin/service
    mkdir -p /run/services
    : >/run/services/corosync
    : >/run/services/pacemaker
  fi
  [ ! -e /run/fixture/setup ] || sh -e /run/fixture/setup
  mkdir -p /run/crm && chown hacluster:haclient /run/crm
  : >/run/booted # everything is in its place; what starts now are services
  ulimit -c 0
  # What systemd would do: start the units, and again what has ended.
  for unit in /run/fixture/units/*; do
    [ -x "$unit" ] || continue
    (while :; do "$unit" >>"/var/log/${unit##*/}.log" 2>&1 </dev/null; sleep 1; done) &
  done
  if [ "$2" = true ]; then
    for service in corosync pacemaker; do
      [ "$first" ] || [ ! -e "/etc/rc2.d/S01$service" ] || service "$service" start
    done
    while :; do sleep 60 & wait; done # which also reaps what is left to this process
  fi
  # Nobody starts corosync again but who asks for it.
  (while :; do
    if [ -e /run/services/corosync ]; then
      corosync -f >>/var/log/corosync/out 2>&1 </dev/null &
      echo $! >/run/services/corosync.pid
      wait $!
      rm -f /run/services/corosync
    fi
    sleep 0.2
  done) &
  until corosync-cfgtool -s >/dev/null 2>&1; do sleep 0.1; done
  (while :; do
    if [ -e /run/services/pacemaker ]; then
      pacemakerd -f >>/var/log/pacemaker/out 2>&1 </dev/null &
      echo $! >/run/services/pacemaker.pid
      wait $!
      sleep 1
    else
      sleep 0.2
    fi
  done) &
  wait
' init "$1" "$3"
