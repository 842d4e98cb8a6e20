package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"thalassa/internal/testkit"
)

// bootSystemd starts systemd as the first process of a layer over this machine's files
// that is in memory and seen by nobody else. It runs the script in its first argument and
// ends with it. The other arguments are files that the script finds in /root.
const bootSystemd = `
mount -t tmpfs layer /mnt
mkdir /mnt/upper /mnt/work /mnt/root
root=/mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work $root
mount -t proc proc $root/proc
mount -t sysfs -o ro sysfs $root/sys
mount -t tmpfs cgroups $root/sys/fs/cgroup
mkdir $root/sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd cgroup $root/sys/fs/cgroup/systemd || exit 99
mount --rbind /dev $root/dev
mount -t tmpfs run $root/run
mount -t tmpfs tmp $root/tmp
ip link set lo up
printf '%s\n' "$1" >$root/root/script
shift
cp "$@" $root/root
rm -f $root/usr/sbin/policy-rc.d        # which container images have, so that no service starts
rm -f $root/var/lib/man-db/auto-update  # its index of all manuals takes long
cat >$root/etc/systemd/system/trial.service <<UNIT
[Unit]
DefaultDependencies=no
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
ExecStart=/bin/sh -e /root/script
StandardOutput=append:/root/output
StandardError=append:/root/output
UNIT
printf '[Unit]\nWants=trial.service dbus.socket\n' >$root/etc/systemd/system/trial.target
env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin unshare --pid --mount --fork --kill-child \
	chroot $root /bin/sh -c 'mount -t proc proc /proc; exec /lib/systemd/systemd --unit=trial.target' >/dev/null 2>&1 || true
cat $root/root/output
`

// upgradeAndRemove upgrades the package under load, removes it, and purges it.
const upgradeAndRemove = `
dpkg --install /root/thalassa_1.2.3_*.deb
token() { awk '$1 == "admin" {print $3; exit}' /etc/thalassa/tokens; }
api() { curl --silent --show-error --fail-with-body --max-time 20 -H "Authorization: Bearer $(token)" -H 'Content-Type: application/json' "localhost:10000$@"; }
isReady() { for i in $(seq 100); do api /readyz >/dev/null 2>&1 && return; sleep 0.1; done; return 1; }
pids() { echo "$(cat /run/thalassa/haproxy.pid) $(pgrep -P "$(cat /run/thalassa/haproxy.pid)")"; }
isReady
api /backends/none -X PUT -d '{"type": "static", "members": [{"host": "127.0.0.1", "port": 9}]}' >/dev/null
api /frontends/web -X PUT -d '{"bind": "127.0.0.1:8080", "backend": "none", "natives": ["http-request return status 200 content-type text/plain string served"]}' >/dev/null
echo "# changed by the administrator" >>/etc/thalassa/thalassa.yaml

for i in $(seq 200); do [ "$(pgrep -c -P "$(cat /run/thalassa/haproxy.pid)")" -gt 1 ] || break; sleep 0.1; done # old workers end
(while [ ! -e /tmp/enough ]; do curl --silent --max-time 5 localhost:8080 || echo " refused"; echo; done >/tmp/fresh) &
fresh=$!
curl --silent --max-time 60 --rate 50/s --write-out ' on connection %{num_connects}\n' 'localhost:8080/[1-500]' >/tmp/kept &
kept=$!
before=$(pids)
agent=$(systemctl show --property MainPID --value thalassa)
sleep 0.5
dpkg --install /root/thalassa_1.3.0_*.deb
systemctl --quiet enable thalassa-node.socket
isReady
echo "installed: $(dpkg-query --show --showformat '${Version}' thalassa)"
echo "service after the upgrade: $(systemctl is-active thalassa)"
[ "$(systemctl show --property MainPID --value thalassa)" = "$agent" ] || echo "the agent is another process"
[ "$(pids)" = "$before" ] && echo "HAProxy is the same after the upgrade"
echo "settings kept: $(grep -c "changed by the administrator" /etc/thalassa/thalassa.yaml)"
api /status | grep -o '"revision":2,"inEffect":2'

dpkg --remove thalassa
echo "service after the removal: $(systemctl is-active thalassa || true)"
[ "$(pids)" = "$before" ] && echo "HAProxy is the same after the removal"
dpkg --install /root/thalassa_1.3.0_*.deb
isReady
[ "$(pids)" = "$before" ] && echo "HAProxy is the same after the next installation"
wait $kept
touch /tmp/enough
wait $fresh
echo "kept connections: $(sort /tmp/kept | uniq -c | tr -s ' ' | tr '\n' ',')"
echo "new connections: $(sort -u /tmp/fresh | tr '\n' ',')"
echo "enough of them: $([ "$(wc -l </tmp/fresh)" -gt 50 ] && echo yes)"

dpkg --purge thalassa
echo "files after the purge: $(ls -d /run/thalassa /var/lib/thalassa /etc/thalassa 2>/dev/null | wc -l)"
echo "after the purge: $(curl --silent localhost:8080)"
pgrep --full --list-full 'haproxy -W' | grep -c thalassa/haproxy.cfg | sed 's/^/masters that pgrep finds: /'
ls /etc/systemd/system/sockets.target.wants 2>/dev/null | grep thalassa | sed 's/^/left on: /'

# A new installation takes over the HAProxy that is left, and reloads it.
dpkg --install /root/thalassa_1.3.0_*.deb
isReady && echo "ready after the purge"
echo "HAProxy after the purge and a new installation: $(pgrep --full --list-full 'haproxy -W' | grep -c thalassa/haproxy.cfg)"
api /backends/none -X PUT -d '{"type": "static", "members": [{"host": "127.0.0.1", "port": 9}]}' >/dev/null
api /frontends/web -X PUT -d '{"bind": "127.0.0.1:8080", "backend": "none", "natives": ["http-request return status 200 content-type text/plain string again"]}' >/dev/null || true
for i in $(seq 50); do [ "$(curl --silent --max-time 5 localhost:8080)" != again ] || break; sleep 0.1; done
echo "after the reload of the new installation: $(curl --silent --max-time 5 localhost:8080)"
[ -d "/proc/${before%% *}" ] && echo "its master is the same"

# Somebody removes the folder of the sockets. A user cannot make it again in /run, systemd can.
rm -rf /run/thalassa
sleep 3
echo "without the folder: $(curl --silent --max-time 5 localhost:8080)"
systemctl restart thalassa
isReady && echo "ready without a folder"
api /frontends/web -X PUT -d '{"bind": "127.0.0.1:8080", "backend": "none", "natives": ["http-request return status 200 content-type text/plain string restored"]}' >/dev/null || true
for i in $(seq 50); do [ "$(curl --silent --max-time 5 localhost:8080)" != restored ] || break; sleep 0.1; done
echo "after a restart without the folder: $(curl --silent --max-time 5 localhost:8080)"
[ -d "/proc/${before%% *}" ] && echo "its master is still the same"
kill -TERM "${before%% *}"
for i in $(seq 100); do [ -e "/proc/${before%% *}" ] || break; sleep 0.1; done
curl --silent localhost:8080 || echo "nobody serves after the signal"
`

// An upgrade of the package under systemd costs no request, and neither does a removal.
func TestUpgradeAndRemovalOfThePackage(t *testing.T) {
	if os.Geteuid() != 0 {
		testkit.Missing(t, "installing a package needs root")
	}
	testkit.Tool(t, "unshare")
	testkit.Tool(t, "curl")
	testkit.HAProxy(t) // which it depends on
	if _, err := os.Stat("/lib/systemd/systemd"); err != nil {
		testkit.Missing(t, "systemd is not installed")
	}
	debs := debianPackages(t, nil, "1.2.3", "1.3.0")
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", append([]string{
		"--mount", "--net", "--pid", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child", "--propagation", "private",
		"/bin/sh", "-ec", bootSystemd, "boot", upgradeAndRemove,
	}, debs...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	output, err := cmd.CombinedOutput()
	out := string(output)
	if exitCode(err) == 99 {
		testkit.Missing(t, "systemd's hierarchy of control groups cannot be mounted: "+out)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{
		"installed: 1.3.0", "service after the upgrade: active", "the agent is another process", "HAProxy is the same after the upgrade",
		"settings kept: 1", `"revision":2,"inEffect":2`,
		"service after the removal: inactive", "HAProxy is the same after the removal", "HAProxy is the same after the next installation",
		"kept connections:  499 served on connection 0, 1 served on connection 1,\n", "new connections: served,\n", "enough of them: yes",
		"files after the purge: 0", "after the purge: served", "masters that pgrep finds: 1",
		"ready after the purge", "HAProxy after the purge and a new installation: 1", "after the reload of the new installation: again", "its master is the same",
		"without the folder: again", "ready without a folder", "after a restart without the folder: restored", "its master is still the same", "nobody serves after the signal",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(out, "left on: ") {
		t.Error("a socket that was turned on is on after the purge")
	}
	// The folder of presets is systemd's.
	harmless := strings.NewReplacer("dpkg: warning: while removing thalassa, directory '/usr/lib/systemd/system-preset' not empty", "")
	if regexp.MustCompile(`error processing|warning: `).MatchString(harmless.Replace(out)) {
		t.Error("dpkg complains")
	}
	if t.Failed() {
		t.Errorf("%s", out)
	}
}
