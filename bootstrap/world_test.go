package bootstrap_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"thalassa/bootstrap"
	"thalassa/cluster"
	"thalassa/corosync"
	"thalassa/internal/testkit"
	"thalassa/services"
)

// A world is some machines, each a folder with the files of corosync and Pacemaker. Programs stand in
// for those of corosync; what runs is a file. So a process may be killed at any time, and another
// one go on.
type world struct{ dir string }

// tools stand in for those of corosync and Pacemaker. WORLD is the folder of all machines. A file
// run/votes is what corosync says beside its version.
var tools = map[string]string{
	"corosync":   "exit 0",
	"pacemakerd": "exit 0",
	"corosync-cmapctl": `[ -e "$HERE/run/corosync" ] || exit 1
		version=$(cat "$HERE/run/corosync")
		[ "$version" ] || { echo "Can't get key totem.config_version. Error CS_ERR_NOT_EXIST" >&2; exit 1; }
		echo "totem.config_version (u64) = $version"
		[ "$1" ] || [ ! -e "$HERE/run/votes" ] || cat "$HERE/run/votes"`,
	"corosync-cfgtool": `for node in "$WORLD"/*/; do
			[ ! -e "$node/run/corosync" ] || sed -n 's/.*config_version: //p' "$node/etc/corosync.conf" >"$node/run/corosync"
		done`,
	// The first is what Pacemaker's configuration has, the second what its controllers remember. A file
	// run/busy loses one question to the controllers, as that of a loaded machine.
	"crm_node": `if [ "$1" = --list ]; then
			for peer in "$HERE"/peers/*; do [ ! -e "$peer" ] || echo "7 ${peer##*/} lost"; done
			exit 0
		fi
		lost=$([ ! -e "$HERE/run/busy" ] || echo yes)
		rm -f "$HERE/run/busy"
		for node in "$WORLD"/*/; do
			rm -f "$node/known/$3"
			[ "$lost" ] || rm -f "$node/peers/$3"
		done`,
}

func newWorld(tb testing.TB, machines int) *world {
	tb.Helper()
	w := &world{tb.TempDir()}
	for i := range machines {
		dir := w.path(i+1, "")
		for _, sub := range []string{"etc", "cib", "sbin", "run", "known", "peers"} {
			mustNot(tb, os.MkdirAll(filepath.Join(dir, sub), 0o755))
		}
		for name, script := range tools {
			text := fmt.Sprintf("#!/bin/sh\nWORLD='%s' HERE='%s'\n%s\n", w.dir, strings.TrimSuffix(dir, "/"), script)
			mustNot(tb, testkit.WriteProgram(filepath.Join(dir, "sbin", name), []byte(text)))
		}
	}
	return w
}

func (w *world) path(machine int, name string) string {
	return filepath.Join(w.dir, fmt.Sprintf("n%d", machine), name)
}

func address(machine int) string { return fmt.Sprintf("192.0.2.%d", machine) }

// config is that of one machine.
func (w *world) config(machine int) bootstrap.Config {
	return bootstrap.Config{
		Corosync: w.path(machine, "etc"), CIB: w.path(machine, "cib"), Journal: w.path(machine, "journal"), Tools: w.path(machine, "sbin"),
		Services: &machineServices{w, machine}, Cluster: &machineCluster{w, machine},
		Addresses: func() ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr(address(machine))}, nil },
		Dial:      w.dial, Listen: w.listen, Settle: 20 * time.Second, Silence: 3 * time.Second,
	}
}

// listen opens a port of this machine, for an address of the world.
func (w *world) listen(ctx context.Context, network, address string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, network, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return l, os.WriteFile(filepath.Join(w.dir, "listens "+address), []byte(l.Addr().String()), 0o600)
}

func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	behind, err := os.ReadFile(filepath.Join(w.dir, "listens "+address))
	if err != nil {
		return nil, fmt.Errorf("connection refused: %w", err)
	}
	return new(net.Dialer).DialContext(ctx, network, string(behind))
}

func (w *world) conf(machine int) corosync.Config {
	data, _ := os.ReadFile(w.path(machine, "etc/corosync.conf"))
	c, _ := corosync.Parse(data)
	return c
}

// exists reports whether a file of a machine exists.
func (w *world) exists(machine int, name string) bool {
	_, err := os.Stat(w.path(machine, name))
	return err == nil
}

func (w *world) read(tb testing.TB, machine int, name string) string {
	tb.Helper()
	data, err := os.ReadFile(w.path(machine, name))
	mustNot(tb, err)
	return string(data)
}

func (w *world) owner(tb testing.TB, path string) uint32 {
	tb.Helper()
	info, err := os.Stat(path)
	mustNot(tb, err)
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		tb.Fatal("no owner")
	}
	return stat.Uid
}

// machineServices are the services of a machine. A file run/broken keeps one from starting, and so
// does a daemon that is left of an earlier start, run/left-NAME. After one was stopped, the machine
// itself starts that of a file run/boots.
type machineServices struct {
	w       *world
	machine int
}

func (s *machineServices) Start(_ context.Context, name string) error {
	if data, _ := os.ReadFile(s.w.path(s.machine, "run/broken")); string(data) == name {
		return errors.New(name + " does not start")
	}
	if s.w.exists(s.machine, "run/left-"+name) {
		return errors.New(name + " does not start beside daemons of an earlier one")
	}
	if cib := s.w.path(s.machine, "cib/cib.xml"); name == "pacemaker" && !s.w.exists(s.machine, "cib/cib.xml") {
		if err := os.WriteFile(cib, []byte(`<cib cluster="`+s.w.conf(s.machine).Cluster()+`"/>`), 0o600); err != nil {
			return err
		}
	}
	version := strconv.FormatUint(s.w.conf(s.machine).Version(), 10)
	return os.WriteFile(s.w.path(s.machine, "run/"+name), []byte(version), 0o600)
}

func (s *machineServices) Stop(ctx context.Context, name string) error {
	err := errors.Join(ignoreMissing(os.Remove(s.w.path(s.machine, "run/left-"+name))), ignoreMissing(os.Remove(s.w.path(s.machine, "run/"+name))))
	if boots, bootErr := os.ReadFile(s.w.path(s.machine, "run/boots")); bootErr == nil && name == "corosync" {
		err = errors.Join(err, os.Remove(s.w.path(s.machine, "run/boots")), s.Start(ctx, string(boots)))
	}
	return err
}

func (s *machineServices) Enable(_ context.Context, name string) error {
	return os.WriteFile(s.w.path(s.machine, "run/enabled-"+name), nil, 0o600)
}

func (s *machineServices) Disable(_ context.Context, name string) error {
	return ignoreMissing(os.Remove(s.w.path(s.machine, "run/enabled-"+name)))
}

func (s *machineServices) State(_ context.Context, name string) (services.State, error) {
	now := services.State{Running: s.w.exists(s.machine, "run/"+name), Enabled: s.w.exists(s.machine, "run/enabled-"+name)}
	if s.w.exists(s.machine, "run/left-"+name) {
		now.Daemons = []string{"left"}
	}
	return now, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// machineCluster is what Pacemaker of a machine sees: the nodes of its corosync.conf that have it in
// theirs, the same key, and run.
type machineCluster struct {
	w       *world
	machine int
}

func (c *machineCluster) runs(machine int) bool {
	return c.w.exists(machine, "run/corosync") && c.w.exists(machine, "run/pacemaker")
}

func (c *machineCluster) Now(context.Context) (cluster.Status, error) {
	if !c.runs(c.machine) {
		return cluster.Status{}, errors.New("Pacemaker does not run")
	}
	key, _ := os.ReadFile(c.w.path(c.machine, "etc/authkey"))
	nodes := c.w.conf(c.machine).Nodes()
	var s cluster.Status
	online := 0
	for _, n := range nodes {
		other := slices.Index([]string{address(1), address(2), address(3), address(4)}, n.Addresses[0]) + 1
		theirs, _ := os.ReadFile(c.w.path(other, "etc/authkey"))
		state := "offline"
		if _, known := c.w.conf(other).Node(c.w.name(c.machine)); known && c.runs(other) && string(theirs) == string(key) {
			state, online = "online", online+1
			_ = os.WriteFile(c.w.path(c.machine, "known/"+n.Name), nil, 0o600)
			_ = os.WriteFile(c.w.path(c.machine, "peers/"+n.Name), nil, 0o600)
		}
		if state == "online" || c.w.exists(c.machine, "known/"+n.Name) {
			s.Nodes = append(s.Nodes, cluster.Node{Name: n.Name, State: state})
		}
	}
	entries, _ := os.ReadDir(c.w.path(c.machine, "known"))
	for _, e := range entries {
		if !slices.ContainsFunc(s.Nodes, func(n cluster.Node) bool { return n.Name == e.Name() }) {
			s.Nodes = append(s.Nodes, cluster.Node{Name: e.Name(), State: "offline"})
		}
	}
	s.Quorum = online*2 > len(nodes) || len(nodes) == 2 && c.machine == 1
	return s, nil
}

func (w *world) name(machine int) string { return fmt.Sprintf("lb%d", machine) }

func founding(nodes int) bootstrap.Founding {
	return bootstrap.Founding{
		Cluster: "edge", Node: "lb1", Addresses: []string{address(1)}, Nodes: nodes, For: time.Minute, Port: bootstrap.DefaultPort,
	}
}

func (w *world) joining(machine int, code string) bootstrap.Joining {
	return bootstrap.Joining{Code: code, Node: w.name(machine), Addresses: []string{address(machine)}}
}

// events collects what a command tells.
type events struct {
	mu  sync.Mutex
	all []bootstrap.Event
}

func (e *events) tell(one bootstrap.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, one)
}

// has reports whether an event was told.
func (e *events) has(step, state string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.all, func(one bootstrap.Event) bool { return one.Step == step && one.State == state })
}

func (e *events) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	text, _ := json.MarshalIndent(e.all, "", " ")
	return string(text)
}

// code waits for the code of an invitation.
func (e *events) code(tb testing.TB) string {
	tb.Helper()
	var code string
	testkit.Eventually(tb, time.Minute, func() error {
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, one := range e.all {
			if one.Code != "" {
				code = one.Code
				return nil
			}
		}
		return errors.New("no code")
	})
	return code
}

// A command runs in the background.
type command struct {
	events
	done chan error
}

func start(ctx context.Context, cfg bootstrap.Config, run func(context.Context, bootstrap.Config) error) *command {
	c := &command{done: make(chan error, 1)}
	cfg.Tell = c.tell
	go func() { c.done <- run(ctx, cfg) }()
	return c
}

// ends waits for the end of a command.
func (c *command) ends(tb testing.TB) error {
	tb.Helper()
	select {
	case err := <-c.done:
		return err
	case <-time.After(2 * time.Minute):
		tb.Fatalf("the command does not end:\n%s", c)
		return nil
	}
}

func mustNot(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
