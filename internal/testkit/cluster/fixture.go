// Package cluster is a real Pacemaker cluster on one machine: nodes with
// corosync, Pacemaker and fencing, each in namespaces of its own, on one switch
// with a Consul, the services and a client. It needs root.
//
// A fixture is below one process, in a mount, network and process-id namespace that
// nobody else sees, and all its files are in memory there. It ends with the test,
// with the program that runs the test, however that ends, and after Config.Life
// in any case; nothing is left of it then.
package cluster

import (
	"crypto/rand"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// The addresses of a fixture. Node n<i> has 10.99.0.<i> and fd99::<i>, and in a network
// that corosync does not use 10.98.0.<i>.
const (
	// Outside is where Consul and the services are.
	Outside = "10.99.0.254"
	// Floating is an address that is free, and so is Floating6.
	Floating  = "10.99.0.100"
	Floating6 = "fd99::100"
	// FloatingService is a free address of the network that corosync does not use.
	FloatingService = "10.98.0.100"
)

//go:embed outside.sh
var outsideScript string

//go:embed node.sh
var nodeScript string

//go:embed service.sh
var serviceScript string

//go:embed fence_fixture.sh
var fenceScript string

// patience is how long anything may take on a machine that is very busy.
const patience = 2 * time.Minute

// Config says what a fixture is made of. The zero value is three nodes that are
// fenced, at a token of one second.
type Config struct {
	Nodes int // 3
	// Token is corosync's, in milliseconds (1000); its coefficient is 0.
	Token int
	// NoFencing leaves the fence device out and stonith-enabled false.
	NoFencing bool
	// Bare boots nodes that have the programs and the example of the distribution's
	// corosync.conf, and no cluster. Services that start with the machine do so from
	// the second boot on, through their init scripts.
	Bare bool
	// Systemd boots bare nodes with systemd, which runs Setup once at each boot and starts the services
	// that are enabled: at the first boot none of this machine's.
	Systemd bool
	// Root is the root folder of another release of Debian, with corosync and
	// Pacemaker ("/").
	Root string
	// Files are put into /run/fixture of every node before it boots, by their names.
	Files map[string]File
	// Units are programs that run on every node from its boot on, and are started
	// again when they end: shell scripts by their names. Their output is in
	// /var/log/<name>.log.
	Units map[string]string
	// Setup is a shell script that every node runs at each boot, before the units.
	Setup string
	// Resources and Constraints are XML for these sections of the first CIB.
	Resources, Constraints string
	// Properties are added to the cluster's, Defaults are those of its resources.
	Properties, Defaults map[string]string
	// Life bounds the fixture's (30 min).
	Life time.Duration
}

// A File is content with a mode (0644).
type File struct {
	Content []byte
	Mode    os.FileMode
}

// A Fixture is a running cluster.
type Fixture struct {
	Nodes []*Node

	tb     testing.TB
	cfg    Config
	holder *process // its child is the fixture's first process

	over atomic.Bool // the test has ended

	mu     sync.Mutex
	fenced []Fencing
}

// Start boots a cluster and waits until all its nodes are online and quorate.
// Without root, or a program that it needs, the test is skipped at a desk and
// fails in CI.
func Start(tb testing.TB, cfg Config) *Fixture {
	tb.Helper()
	l := Prepare(tb, cfg)
	for _, n := range l.Nodes {
		n.Boot()
	}
	l.AwaitOnline()
	return l
}

// Prepare is Start without booting the nodes: there is the network, with Consul
// and the services' place.
func Prepare(tb testing.TB, cfg Config) *Fixture {
	tb.Helper()
	cfg = cfg.withDefaults()
	requirements(tb, cfg)
	l := &Fixture{tb: tb, cfg: cfg}
	life := strconv.Itoa(int(cfg.Life.Seconds()))
	holder, err := startProcess(exec.Command("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--propagation", "private",
		"/bin/sh", "-c", outsideScript, "outside", strconv.Itoa(cfg.Nodes), life))
	if err != nil {
		tb.Fatal(err)
	}
	l.holder = holder
	tb.Cleanup(l.End)
	l.await("the fixture's network", func() error {
		if l.holder.ended() {
			return fmt.Errorf("its first process has ended: %s", l.holder.output())
		}
		_, err := os.Stat(l.path("/run/fixture/ready"))
		return err
	})
	for i := range cfg.Nodes {
		l.Nodes = append(l.Nodes, &Node{fixture: l, Name: "n" + strconv.Itoa(i+1), number: i + 1})
	}
	l.furnish()
	go l.serveFencing()
	return l
}

func (c Config) withDefaults() Config {
	if c.Nodes == 0 {
		c.Nodes = 3
	}
	if c.Token == 0 {
		c.Token = 1000
	}
	if c.Root == "" {
		c.Root = "/"
	}
	if c.Life == 0 {
		c.Life = 30 * time.Minute
	}
	return c
}

// Roots lists the root folders of other releases that have Pacemaker, as
// tools/setup pacemakers makes them in the user's cache.
func Roots() []string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil
	}
	found, _ := filepath.Glob(filepath.Join(cache, "thalassa/pacemaker/*/usr/sbin/pacemakerd")) // the pattern is right
	for i, path := range found {
		found[i] = strings.TrimSuffix(path, "/usr/sbin/pacemakerd")
	}
	return found
}

// requirements ends the test where a fixture cannot be.
func requirements(tb testing.TB, cfg Config) {
	tb.Helper()
	if os.Geteuid() != 0 {
		testkit.Missing(tb, "a cluster fixture needs root")
	}
	for _, tool := range []string{"unshare", "nsenter", "ip"} {
		testkit.Tool(tb, tool)
	}
	programs := []string{"usr/sbin/corosync", "usr/sbin/pacemakerd", "usr/sbin/crm_mon"}
	if cfg.Systemd {
		programs = append(programs, "lib/systemd/systemd", "usr/bin/dbus-daemon")
	}
	for _, program := range programs {
		if _, err := os.Stat(filepath.Join(cfg.Root, program)); err != nil {
			testkit.Missing(tb, program+" is not installed; make setup installs it")
		}
	}
	if !cfg.Systemd {
		return
	}
	mount := exec.Command("unshare", "--mount", "--propagation", "private", "mount", "-t", "cgroup", "-o", "none,name=systemd", "cgroup", "/mnt")
	if out, err := mount.CombinedOutput(); err != nil {
		testkit.Missing(tb, fmt.Sprintf("systemd's hierarchy of control groups cannot be mounted: %v: %s", err, out))
	}
}

// End kills everything, as the end of the test does.
func (l *Fixture) End() {
	if l.over.Load() {
		return
	}
	if l.tb.Failed() {
		l.tell()
	}
	if l.cfg.Systemd { // its control groups would stay
		for _, n := range l.Nodes {
			n.Kill()
		}
	}
	l.over.Store(true)
	l.holder.killTree()
}

// path is how the test reaches a file outside the nodes.
func (l *Fixture) path(name string) string {
	return filepath.Join(l.FirstProcess(), "root", name)
}

// furnish writes what the nodes find in /run/fixture.
func (l *Fixture) furnish() {
	key := make([]byte, 128)
	_, _ = rand.Read(key) // never fails
	var hosts strings.Builder
	hosts.WriteString("127.0.0.1 localhost\n")
	for _, n := range l.Nodes {
		fmt.Fprintf(&hosts, "%s %s\n", n.Address(), n.Name)
	}
	l.Put("authkey", File{key, 0o600})
	l.Put("corosync.conf", File{Content: []byte(l.corosyncConf())})
	l.Put("cib.xml", File{Content: []byte(l.firstCIB())})
	l.Put("hosts", File{Content: []byte(hosts.String())})
	l.Put("fence_fixture", File{[]byte(fenceScript), 0o755})
	l.Put("service", File{[]byte(serviceScript), 0o755})
	if l.cfg.Setup != "" {
		l.Put("setup", File{Content: []byte(l.cfg.Setup + "\n")})
	}
	for name, f := range l.cfg.Files {
		l.Put(name, f)
	}
	units := l.cfg.Units
	l.cfg.Units = map[string]string{}
	for name, script := range units {
		l.unit(name, script)
	}
}

// unit adds a program that runs on every node that boots from now on.
func (l *Fixture) unit(name, script string) {
	l.tb.Helper()
	l.cfg.Units[name] = script
	l.Put("units/"+name, File{[]byte("#!/bin/sh\n" + script + "\n"), 0o755})
}

// share lets every node that boots from now on see a file of this machine as
// /run/fixture/<name>, however large it is.
func (l *Fixture) share(name, path string) {
	l.tb.Helper()
	l.Put(name, File{})
	if out, err := l.inOutside("mount", "--bind", path, "/run/share/"+name).CombinedOutput(); err != nil {
		l.tb.Fatalf("sharing %s: %v: %s", path, err, out)
	}
}

// Put writes a file that every node sees as /run/fixture/<name>. A program is
// replaced rather than written to.
func (l *Fixture) Put(name string, f File) {
	l.tb.Helper()
	if f.Mode == 0 {
		f.Mode = 0o644
	}
	path := l.path("/run/share/" + name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // every user of a node may look
		l.tb.Fatal(err)
	}
	if err := os.WriteFile(path+".new", f.Content, f.Mode); err != nil {
		l.tb.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		l.tb.Fatal(err)
	}
}

// Node by name.
func (l *Fixture) Node(name string) *Node {
	l.tb.Helper()
	for _, n := range l.Nodes {
		if n.Name == name {
			return n
		}
	}
	l.tb.Fatalf("the fixture has no node %q", name)
	return nil
}

// Up lists the nodes that are switched on.
func (l *Fixture) Up() []*Node {
	var up []*Node
	for _, n := range l.Nodes {
		if n.IsUp() {
			up = append(up, n)
		}
	}
	return up
}

func (l *Fixture) await(what string, ok func() error) {
	l.tb.Helper()
	testkit.Eventually(l.tb, patience, func() error {
		if err := ok(); err != nil {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
		return nil
	})
}

// FirstProcess is the folder in /proc of the process below which the fixture is.
func (l *Fixture) FirstProcess() string {
	return filepath.Join("/proc", strconv.Itoa(l.holder.first()))
}
