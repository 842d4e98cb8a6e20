package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"thalassa/internal/testkit"
)

// installPackage installs a package into a layer over this machine's files that is
// in memory and seen by nobody else, looks around and removes it again.
const installPackage = `
mount -t tmpfs layer /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
mount -t proc proc /mnt/root/proc
mount --rbind /dev /mnt/root/dev
mount -t tmpfs run /mnt/root/run
install -m 0644 "$1" /mnt/root/root/thalassa.deb
exec chroot /mnt/root /bin/sh -ec '
	cd /
	rm -f /var/lib/man-db/auto-update # its index of all manuals takes long
	dpkg --install /root/thalassa.deb
	echo "user: $(id -nu thalassa)"
	! getent group haclient >/dev/null || echo "in haclient: $(id -nG thalassa | grep -cw haclient)"
	! getent group systemd-journal >/dev/null || gpasswd --delete thalassa systemd-journal >/dev/null 2>&1 || true
	# Pacemaker is installed later.
	gpasswd --delete thalassa haclient >/dev/null 2>&1 || true
	getent group haclient >/dev/null || groupadd --system haclient
	/var/lib/dpkg/info/thalassa.postinst triggered /usr/sbin/pacemakerd
	cat /var/lib/dpkg/info/thalassa.triggers
	echo "in haclient later: $(id -nG thalassa | grep -cw haclient)"
	! getent group systemd-journal >/dev/null || echo "in systemd-journal: $(id -nG thalassa | grep -cw systemd-journal)"
	[ ! -e /usr/bin/thalassa-cib ] || ! command -v pacemakerd >/dev/null || echo "libraries missing: $(ldd /usr/bin/thalassa-cib | grep -c "not found")"
	for path in /run/thalassa /var/lib/thalassa /etc/thalassa/tokens /etc/thalassa/thalassa.yaml /usr/bin/thalassa; do stat -c "%n %U %a" "$path"; done
	grep "^ExecStart" /usr/lib/systemd/system/thalassa.service
	stat -c "%n %U %a" /usr/lib/systemd/system/thalassa-node.socket
	grep "^ExecStart" "/usr/lib/systemd/system/thalassa-node@.service"
	stat -c "%n %U %a" /usr/lib/systemd/system/thalassa-membership.socket
	grep "^ExecStart" "/usr/lib/systemd/system/thalassa-membership@.service"
	[ ! -e /usr/bin/thalassa-pam ] || for path in /usr/bin/thalassa-pam /usr/lib/systemd/system/thalassa-pam.socket /etc/pam.d/thalassa; do stat -c "%n %U %a" "$path"; done
	[ ! -e /usr/bin/thalassa-pam ] || grep "^ExecStart" "/usr/lib/systemd/system/thalassa-pam@.service"
	[ ! -e /usr/bin/thalassa-pam ] || echo "PAM: $(echo "{\"service\":\"thalassa\",\"user\":\"daemon\"}" | thalassa-pam --user thalassa)"
	echo "version: $(thalassa version)"
	echo "resource agent: $(/usr/lib/ocf/resource.d/thalassa/haproxy meta-data | grep -c "<parameter ")"
	echo "endpoint: $(/usr/lib/ocf/resource.d/thalassa/agent meta-data | grep -c "<parameter ")"
	echo "group: $(stat -c %G /etc/thalassa/tokens)"
	echo "token lines: $(grep -cE "^admin node [0-9a-f]{48}$" /etc/thalassa/tokens)"
	sha256sum /etc/thalassa/tokens >/root/tokens.sum
	echo "# changed by the administrator" >>/etc/thalassa/thalassa.yaml
	dpkg --install /root/thalassa.deb
	grep -c "changed by the administrator" /etc/thalassa/thalassa.yaml
	echo "tokens kept: $(sha256sum --check --status /root/tokens.sum && echo yes)"
	# The token is the agent'"'"'s, and the command line of a member of the group finds it.
	install -d -o thalassa /tmp/agent
	agent() { setpriv --reuid thalassa --regid thalassa --clear-groups "$@"; }
	ip link set lo up
	agent thalassa agent --config /etc/thalassa/thalassa.yaml --service-reg 127.0.0.1:1 --register=false --haproxy-stats-bind "" --haproxy-log "" --db-path /tmp/agent --haproxy-cfg-path /tmp/agent/haproxy.cfg --persistence "" --stop-haproxy >/tmp/agent/log 2>&1 &
	running=$!
	for i in $(seq 100); do agent thalassa status >/dev/null 2>&1 && break; sleep 0.1; done
	echo "member: $(agent thalassa status >/dev/null 2>&1 && echo 0)"
	echo "stranger: $(setpriv --reuid 65534 --regid 65534 --clear-groups thalassa status >/dev/null 2>&1 || echo $?)"
	kill $running
	wait $running || true
	dpkg --remove thalassa
	echo "tokens after removal: $(sha256sum --check --status /root/tokens.sum && echo kept)"
	# A token file of the administrator'"'"'s own.
	rm /etc/thalassa/tokens
	sed -i "s|^token-file:.*|token-file: /etc/thalassa/own  # ours|" /etc/thalassa/thalassa.yaml
	dpkg --install /root/thalassa.deb
	[ -e /etc/thalassa/tokens ] || echo "tokens of another place"
	sed -i "s|^token-file:.*|#&|" /etc/thalassa/thalassa.yaml
	dpkg --install /root/thalassa.deb 2>&1
	[ -e /etc/thalassa/tokens ] || echo "tokens of no place"
	sed -i "s|^#token-file:.*|tokenFile: \"/etc/thalassa/tokens\"|" /etc/thalassa/thalassa.yaml
	dpkg --install /root/thalassa.deb
	grep -cE "^admin node" /etc/thalassa/tokens
	[ "$(ls /etc/thalassa)" = "$(printf "thalassa.yaml\ntokens")" ] || ls /etc/thalassa
	dpkg --purge thalassa
	# The manual and the completions came with it, and went. systemd, as far as the
	# scripts ask for it:
	mkdir -p /run/systemd/system /usr/local/sbin
	printf "#!/bin/sh\\necho systemctl \"\$*\"\\n" >/usr/local/sbin/systemctl
	chmod 0755 /usr/local/sbin/systemctl
	dpkg --force-confmiss --force-confnew --install /root/thalassa.deb | sed "s/^/shipped: /"
	for path in man/man1/thalassa.1.gz man/man1/thalassa-deploy.1.gz man/man5/thalassa.yaml.5.gz; do
		gzip --decompress --stdout "/usr/share/$path" | grep -c "^.TH" | sed "s|^|$path: |"
	done
	for path in bash-completion/completions/thalassa zsh/vendor-completions/_thalassa fish/vendor_completions.d/thalassa.fish; do
		grep -q thalassa "/usr/share/$path" && echo "completion: $path"
	done
	dpkg --purge thalassa >/dev/null
	echo "# serves traffic" >>/etc/haproxy/haproxy.cfg
	dpkg --install /root/thalassa.deb 2>&1 | sed "s/^/own: /"
	dpkg --install /root/thalassa.deb 2>&1 | sed "s/^/upgrade: /"
	# A node in a cluster that it can leave only with its journal.
	mkdir -p /var/lib/thalassa-cluster
	echo "{}" >/var/lib/thalassa-cluster/journal.json
	dpkg --purge thalassa | grep "^thalassa: " | sed "s/^/in a cluster: /"
	[ -e /var/lib/thalassa-cluster/journal.json ] && echo "journal: kept"
	rm /var/lib/thalassa-cluster/journal.json
	echo "{}" >/var/lib/thalassa-cluster/identity
	dpkg --install /root/thalassa.deb >/dev/null 2>&1
	dpkg --purge thalassa >/dev/null
	for path in /usr/bin/thalassa /etc/thalassa /var/lib/thalassa /var/lib/thalassa-cluster /usr/lib/ocf/resource.d/thalassa/haproxy /usr/lib/ocf/resource.d/thalassa/agent; do
		[ ! -e "$path" ] || echo "left behind: $path"
	done
'`

func TestPackage(t *testing.T) {
	if os.Geteuid() != 0 {
		testkit.Missing(t, "installing a package needs root")
	}
	testkit.Tool(t, "dpkg-deb")
	testkit.Tool(t, "unshare")
	testkit.HAProxy(t) // which it depends on
	stream := buildStream(t)
	deb := debianPackages(t, stream, "1.2.3")[0]
	for _, missing := range lostLinks(t, deb) {
		t.Errorf("the README leads to %s, which is not in the package", missing)
	}
	cmd := exec.Command("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private",
		"/bin/sh", "-ec", installPackage, "install", deb)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if stream != nil && !strings.Contains(string(out), "libraries missing: 0") {
		t.Error("thalassa-cib is not there, or cannot run")
	}
	for _, want := range []string{
		"/usr/bin/thalassa-pam root 755", "/usr/lib/systemd/system/thalassa-pam.socket root 644", "/etc/pam.d/thalassa root 644",
		"ExecStart=/usr/bin/thalassa-pam --user thalassa", `PAM: {"user":"daemon","groups":["daemon"]}`,
	} {
		if !strings.Contains(string(out), want) && buildPAM(t) != nil {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(string(out), "in haclient: 0") {
		t.Error("the user is not in the group haclient")
	}
	if strings.Contains(string(out), "in systemd-journal: 0") {
		t.Error("the user is not in the group systemd-journal")
	}
	for _, want := range []string{
		"in haclient later: 1", "interest-noawait /usr/sbin/pacemakerd",
		"/usr/lib/systemd/system/thalassa-node.socket root 644", "ExecStart=/usr/bin/thalassa node-service --user thalassa",
		"/usr/lib/systemd/system/thalassa-membership.socket root 644", "ExecStart=/usr/bin/thalassa membership-service --user thalassa",
		"user: thalassa", "/run/thalassa thalassa 750", "/var/lib/thalassa thalassa 750", "/etc/thalassa/thalassa.yaml root 644", "/etc/thalassa/tokens root 640", "group: thalassa", "token lines: 1", "tokens kept: yes",
		"holds a new token of role admin", "member: 0", "stranger: 7", "tokens after removal: kept", "tokens of another place", "token-file is not set", "tokens of no place",
		"man/man1/thalassa.1.gz: 1", "man/man1/thalassa-deploy.1.gz: 1", "man/man5/thalassa.yaml.5.gz: 1",
		"completion: bash-completion", "completion: zsh/", "completion: fish/",
		"shipped: systemctl --quiet disable --now haproxy.service", "own: thalassa: haproxy.service runs with a configuration of your own",
		"in a cluster: thalassa: this node is in a cluster", "journal: kept",
		"/usr/bin/thalassa root 755", "ExecStart=/usr/bin/thalassa agent", "version: thalassa", "resource agent: 12", "endpoint: 4", "\n1\n",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is missing", want)
		}
	}
	for _, harm := range []string{"own: systemctl --quiet disable", "upgrade: systemctl --quiet disable", "upgrade: thalassa: haproxy"} {
		if strings.Contains(string(out), harm) {
			t.Errorf("%q: HAProxy is somebody's own", harm)
		}
	}
	if strings.Contains(string(out), "left behind") || t.Failed() {
		t.Errorf("%s", out)
	}
}

// debianPackages builds a package of each version, with thalassa-cib and thalassa-pam unless
// stream is nil.
func debianPackages(t *testing.T, stream []byte, versions ...string) (paths []string) {
	t.Helper()
	testkit.Tool(t, "dpkg-deb")
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	nfpm := filepath.Join(cache, "thalassa/nfpm")
	if _, err := os.Stat(nfpm); err != nil {
		testkit.Missing(t, "nfpm is not built; tools/setup nfpm builds it")
	}
	dir := t.TempDir()
	program, err := os.ReadFile(build(t))
	if err != nil {
		t.Fatal(err)
	}
	programs := map[string][]byte{"thalassa": program, "thalassa-cib": stream}
	if stream != nil {
		programs["thalassa-pam"] = buildPAM(t)
	}
	for name, data := range programs {
		if data == nil {
			continue
		}
		if err := testkit.WriteProgram(filepath.Join(dir, name), data); err != nil {
			t.Fatal(err)
		}
	}
	for _, version := range versions {
		cmd := exec.Command("../tools/package", nfpm)
		cmd.Env = append(os.Environ(), "BIN="+dir, "VERSION="+version)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		found, err := filepath.Glob(filepath.Join(dir, "thalassa_"+version+"_*.deb"))
		if err != nil || len(found) != 1 {
			t.Fatalf("the packages are %v (%v)", found, err)
		}
		paths = append(paths, found[0])
	}
	return paths
}

// lostLinks are those of the README that lead nowhere in a package.
func lostLinks(t *testing.T, path string) []string {
	t.Helper()
	const folder = "./usr/share/doc/thalassa/"
	list, err := exec.Command("sh", "-ec", `dpkg-deb --fsys-tarfile "$1" | tar --list`, "list", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for name := range strings.Lines(string(list)) {
		there[strings.TrimSuffix(strings.TrimSpace(name), "/")] = true
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`\]\(([a-z][\w./-]*)\)`).FindAllStringSubmatch(string(readme), -1)
	if len(links) < 10 {
		t.Errorf("only %d links are found in the README", len(links))
	}
	var lost []string
	for _, link := range links {
		// The license is there under the name that Debian has for it.
		if target := link[1]; !there[folder+target] && target != "LICENSE" {
			lost = append(lost, target)
		}
	}
	return lost
}
