package testkit

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
)

// A Disk is a file system for one test, which can hang.
type Disk struct {
	tb     testing.TB
	Dir    string
	frozen atomic.Bool
}

// NewDisk makes a disk of a few MiB until the end of the test. Only root can.
func NewDisk(tb testing.TB, mebibytes int) *Disk {
	tb.Helper()
	NeedsRoot(tb)
	for _, tool := range []string{"mkfs.ext4", "mount", "umount", "fsfreeze"} {
		Tool(tb, tool)
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		Missing(tb, "a loop device")
	}
	image, d := filepath.Join(tb.TempDir(), "disk"), &Disk{tb: tb, Dir: SocketDir(tb)}
	d.run("truncate", "-s", strconv.Itoa(mebibytes)+"M", image)
	d.run("mkfs.ext4", "-q", image)
	d.run("mount", "-o", "loop", image, d.Dir)
	tb.Cleanup(func() {
		d.Thaw()
		d.run("umount", "--lazy", d.Dir)
	})
	return d
}

func (d *Disk) run(name string, args ...string) {
	d.tb.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		d.tb.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
}

// Freeze makes the disk hang: processes that write to it wait until Thaw, and cannot be killed.
func (d *Disk) Freeze() {
	d.tb.Helper()
	d.run("fsfreeze", "--freeze", d.Dir)
	d.frozen.Store(true)
}

// Thaw ends Freeze.
func (d *Disk) Thaw() {
	d.tb.Helper()
	if d.frozen.Swap(false) {
		d.run("fsfreeze", "--unfreeze", d.Dir)
	}
}
