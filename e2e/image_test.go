package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"thalassa/internal/testkit"
)

// A containerImage is the container image of Dockerfile, unpacked.
type containerImage struct {
	tb     testing.TB
	root   string // folder of its files
	config imageConfig
}

type imageConfig struct {
	User, WorkingDir string
	Env, Entrypoint  []string
	Volumes          map[string]struct{}
	Healthcheck      struct{ Test []string }
}

// buildImage builds the image with buildah, from a folder of Debian instead of the
// images that Dockerfile pins, and with this machine's Go and modules.
func buildImage(tb testing.TB) *containerImage {
	tb.Helper()
	if os.Geteuid() != 0 {
		testkit.Missing(tb, "building an image in a chroot needs root")
	}
	for _, tool := range []string{"buildah", "unshare", "nsenter", "setpriv", "ip"} {
		testkit.Tool(tb, tool)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		tb.Fatal(err)
	}
	debian := filepath.Join(cache, "thalassa/image/bookworm")
	if _, err := os.Stat(debian); err != nil {
		testkit.Missing(tb, "there is no Debian to begin with; tools/setup image makes it")
	}
	store := tb.TempDir()
	tb.Cleanup(func() {
		if out, err := exec.Command("buildah", "--storage-driver", "vfs", "--root", store+"/root", "--runroot", store+"/run", "umount", "--all").CombinedOutput(); err != nil {
			tb.Errorf("unmounting the image: %v: %s", err, out)
		}
	})
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", buildImageScript, "build", debian)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "BUILDAH_ISOLATION=chroot", "store="+store)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		errors.As(err, &exit)
		tb.Fatalf("building the image: %v: %s\n%s", err, out, exit.Stderr)
	}
	m := &containerImage{tb: tb}
	root, about, _ := strings.Cut(string(out), "\n")
	var inspected struct {
		Docker struct {
			Config imageConfig `json:"config"`
		}
	}
	if err := json.Unmarshal([]byte(about), &inspected); err != nil || root == "" {
		tb.Fatalf("buildah says (%v) %s", err, out)
	}
	m.root, m.config = root, inspected.Docker.Config
	return m
}

// buildImageScript prints the folder of the image's files, and in the next lines what
// buildah says about the image.
const buildImageScript = `
b() { buildah --storage-driver vfs --root "$store/root" --runroot "$store/run" "$@"; }
{
	go mod download
	base=$(b from scratch)
	b add --quiet "$base" "$1" /
	b commit --quiet --rm "$base" base
	builder=$(b from base)
	b config --env PATH=/usr/local/go/bin:/usr/bin:/bin --env GOTOOLCHAIN=local --env GOPROXY=off --env GOFLAGS=-buildvcs=false \
		--env GOMODCACHE=/modules --env GOCACHE=/cache "$builder"
	b commit --quiet --rm "$builder" builder
	b build --format docker --build-arg BUILDER=localhost/builder --build-arg BASE=localhost/base \
		--volume "$(go env GOROOT):/usr/local/go:ro" --volume "$(go env GOMODCACHE):/modules" --volume "$(go env GOCACHE):/cache" \
		--tag thalassa .
	container=$(b from thalassa)
} >&2
b mount "$container"
b inspect --type image thalassa
`

// command runs a command with the image's files as root directory, in namespaces of
// its own or, with a process, in that one's.
func (m *containerImage) command(process int, args ...string) *exec.Cmd {
	enter := []string{
		"unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", "-ec",
		`ip link set lo up; mount -t proc proc "$0/proc"; mount --rbind /dev "$0/dev"; exec chroot "$0" "$@"`, m.root,
	}
	if process != 0 {
		enter = []string{"nsenter", "--target", strconv.Itoa(process), "--mount", "--net", "--pid", "chroot", m.root}
	}
	cmd := exec.Command(enter[0], append(append(enter[1:], "setpriv", "--reuid", m.config.User, "--regid", m.config.User, "--clear-groups", "--inh-caps=-all"), args...)...)
	cmd.Env = m.config.Env
	cmd.WaitDelay = patience
	return cmd
}

// A container is a running image.
type container struct {
	*containerImage
	cmd  *exec.Cmd
	exit chan error
	log  *testkit.Log
}

// run runs the image as an engine would: the entry point, with flags behind it, is
// process 1.
func (m *containerImage) run(tb testing.TB, flags ...string) *container {
	tb.Helper()
	c := &container{containerImage: m, cmd: m.command(0, append(m.config.Entrypoint, flags...)...), exit: make(chan error, 1), log: &testkit.Log{}}
	c.cmd.Stdout, c.cmd.Stderr = c.log, c.log
	if err := c.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() { c.exit <- c.cmd.Wait() }()
	tb.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		if err := <-c.exit; err != nil {
			tb.Log("the container:", err)
		}
	})
	return c
}

// first is the pid, on this machine, of the container's process 1.
func (c *container) first() (int, error) {
	pid := c.cmd.Process.Pid
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0, err
	}
	var child int
	if _, err := fmt.Sscan(string(data), &child); err != nil {
		return 0, fmt.Errorf("unshare has no child: %w", err)
	}
	return child, nil
}

// exec runs a command in the container.
func (c *container) exec(args ...string) (string, error) {
	first, err := c.first()
	if err != nil {
		return "", err
	}
	out, err := c.command(first, args...).CombinedOutput()
	return string(out), err
}

// health runs the image's HEALTHCHECK.
func (c *container) health() error {
	test := c.config.Healthcheck.Test
	if len(test) < 2 || test[0] != "CMD" {
		return fmt.Errorf("the HEALTHCHECK is %q, expected CMD and its words", test)
	}
	if out, err := c.exec(test[1:]...); err != nil {
		return fmt.Errorf("unhealthy: %w: %s", err, out)
	}
	return nil
}

// The image runs HAProxy and the agent, its HEALTHCHECK asks at the address of the
// settings, and it ends in order.
func TestContainerImage(t *testing.T) {
	t.Parallel()
	m := buildImage(t)
	if _, kept := m.config.Volumes["/var/lib/thalassa"]; !kept || m.config.User != "thalassa" {
		t.Errorf("the image is %+v, expected the user thalassa and a volume for the database", m.config)
	}
	settings := filepath.Join(m.root, "etc/thalassa/thalassa.yaml")
	for name, port := range map[string]struct{ flags, line string }{
		"a port by flag, a flag's value like the command's name": {"--label agent --port 10001", ""},
		"a port by file": {"", "port: 10002"},
		"every address":  {"--host 0.0.0.0 --insecure-no-auth", ""},
	} {
		t.Run(name, func(t *testing.T) {
			before, err := os.ReadFile(settings)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := os.WriteFile(settings, before, 0o644); err != nil { //nolint:gosec // the image's mode
					t.Error(err)
				}
			}()
			if err := os.WriteFile(settings, []byte(string(before)+"\n"+port.line+"\n"), 0o644); err != nil { //nolint:gosec // the image's mode
				t.Fatal(err)
			}
			c := m.run(t, append(strings.Fields(port.flags), "--service-reg", "127.0.0.1:1", "--register=false", "--haproxy-stats-bind", "")...)
			c.serves(t)
			c.freezes(t)
			c.ends(t)
		})
	}
}

// serves waits until the container is healthy and HAProxy runs in it.
func (c *container) serves(t *testing.T) {
	t.Helper()
	testkit.Eventually(t, patience, func() error {
		if err := c.health(); err != nil {
			return fmt.Errorf("%w\n%s", err, c.log)
		}
		if out, err := c.exec("sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'haproxy -W'"); err != nil {
			return fmt.Errorf("haproxy does not run: %s: %w", out, err)
		}
		return nil
	})
}

// freezes stops the agent for a while: the HEALTHCHECK notices.
func (c *container) freezes(t *testing.T) {
	t.Helper()
	const signal = `for p in /proc/[0-9]*; do [ "$(tr '\0' ' ' <$p/cmdline | cut -c 1-14)" != "thalassa agent" ] || kill -$0 ${p#/proc/}; done`
	if out, err := c.exec("sh", "-c", signal, "STOP"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := c.health(); err == nil {
		t.Error("an agent that is stopped is healthy")
	}
	if out, err := c.exec("sh", "-c", signal, "CONT"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// ends sends SIGTERM to process 1, as an engine does.
func (c *container) ends(t *testing.T) {
	t.Helper()
	if out, err := c.exec("sh", "-c", "kill -TERM 1"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	testkit.Eventually(t, patience, func() error {
		select {
		case err := <-c.exit:
			c.exit <- err
			if err != nil {
				t.Errorf("the container ended with %v: %s", err, c.log)
			}
			return nil
		default:
			return fmt.Errorf("the container has not ended: %s", c.log)
		}
	})
}
