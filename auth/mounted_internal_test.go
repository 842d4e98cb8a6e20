package auth

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"thalassa/internal/testkit"
)

func TestIsContainer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file, text string
		want       bool
	}{
		"docker":       {".dockerenv", "", true},
		"podman":       {"run/.containerenv", "", true},
		"cgroups 1":    {"proc/1/cgroup", "12:cpu:/docker/0123\n", true},
		"kubernetes":   {"proc/self/mountinfo", "700 600 0:60 / / rw - overlay overlay rw,lowerdir=/var/lib/containerd/io.containerd.snapshotter/1/fs\n", true},
		"a machine":    {"proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 0:4 / /var/lib/docker/x rw - overlay overlay rw,lowerdir=/var/lib/docker/1\n", false},
		"cgroups 2":    {"proc/1/cgroup", "0::/init.scope\n", false},
		"live systems": {"proc/self/mountinfo", "22 1 0:20 / / rw - overlay overlay rw,lowerdir=/run/live/rootfs\n", false},
	} {
		root := t.TempDir()
		path := filepath.Join(root, c.file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := isContainer(root); got != c.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

func TestMountedSecretIsTakenInAContainerOnly(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		testkit.Missing(t, "a mount needs root")
	}
	dir, container, machine := t.TempDir(), t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(container, ".dockerenv"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		testkit.Missing(t, "mounting a tmpfs: "+err.Error())
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	files := map[string]struct {
		mode os.FileMode
		uid  int
		want bool
	}{"secret": {0o444, 0, true}, "writable": {0o446, 0, false}, "group": {0o464, 0, false}, "foreign": {0o444, 65534, false}}
	for name, f := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("admin ann 0123456789abcdef\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, f.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, f.uid, 0); err != nil {
			t.Fatal(err)
		}
	}
	taken := func(name, root string) bool {
		_, at, err := readFileIn(filepath.Join(dir, name), root, true)
		return err == nil && at.shared
	}
	if taken("secret", container) {
		t.Error("a file on a mount that can be written is taken")
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	for name, f := range files {
		if got := taken(name, container); got != f.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
	if taken("secret", machine) {
		t.Error("a file is taken outside of a container")
	}
}
