package corosync

import (
	"bytes"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

const (
	// MaxNodes is the largest cluster that Pacemaker's vendors support.
	MaxNodes = 32
	// MaxLinks is how many networks corosync can use at the same time.
	MaxLinks = 8
	// maxName bounds names of nodes and clusters.
	maxName = 63
)

// A Config is the content of a corosync.conf. It does not change: each method that changes
// something returns another one. Make it with New or Parse.
type Config struct{ root *section }

// A Node is a node of the list of nodes.
type Node struct {
	ID   uint32 // from 1; 0: the file does not say, and corosync derives it
	Name string // of the node in Pacemaker; empty: the file does not say
	// Addresses has one address for each link, as in ring0_addr, ring1_addr and so on. Others than
	// Thalassa may have written host names.
	Addresses []string
}

// Settings are what a new cluster needs beside its first node.
type Settings struct {
	Cluster string // name of the cluster
	// NoForce lets corosync use ordinary buffers of sockets where it may not have larger ones, such
	// as in a container.
	NoForce bool
}

// A FieldError says what is wrong with a value, and what was expected. A value that is missing or
// secret is empty.
type FieldError struct{ Field, Value, Expected string }

func (e *FieldError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("%s: expected %s", e.Field, e.Expected)
	}
	return fmt.Sprintf("%s: %q: expected %s", e.Field, e.Value, e.Expected)
}

// New returns the configuration of a cluster of one node: encrypted, with timeouts for a failover
// within seconds. The node's id is 1.
func New(s Settings, first Node) (Config, error) {
	if CheckName("name", s.Cluster) != nil {
		return Config{}, &FieldError{"name", s.Cluster, "a name for the cluster: " + nameRule()}
	}
	c := Config{root: &section{}}
	totem := c.root.section("totem")
	for _, kv := range [][2]string{
		{"version", "2"},
		{"config_version", "0"},
		{"cluster_name", s.Cluster},
		{"transport", "knet"},
		{"crypto_cipher", "aes256"},
		{"crypto_hash", "sha256"},
		{"token", "1000"},
		{"token_coefficient", "0"},
	} {
		totem.set(kv[0], kv[1])
	}
	c.root.section("quorum").set("provider", "corosync_votequorum")
	logging := c.root.section("logging")
	for _, kv := range [][2]string{{"to_logfile", "yes"}, {"logfile", "/var/log/corosync/corosync.log"}, {"to_syslog", "yes"}, {"timestamp", "hires"}} {
		logging.set(kv[0], kv[1])
	}
	if s.NoForce {
		c.root.section("system").set("allow_knet_handle_fallback", "yes")
	}
	c.root.section("nodelist")
	return c.Add(first)
}

// Parse reads a corosync.conf as corosync does. Errors are *SyntaxError or *FieldError.
func Parse(data []byte) (Config, error) {
	if len(data) > MaxBytes {
		return Config{}, &SyntaxError{Line: 1, Expected: fmt.Sprintf("a file of at most %d bytes", MaxBytes)}
	}
	p := &parser{rest: string(data)}
	root, err := p.parse(0)
	if err != nil {
		return Config{}, err
	}
	c := Config{root: root}
	if _, err := c.version(); err != nil {
		return Config{}, err
	}
	if _, err := c.nodes(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// Bytes is the file.
func (c Config) Bytes() []byte {
	var b bytes.Buffer
	if c.root != nil {
		c.root.write(&b, 0)
	}
	return b.Bytes()
}

// Cluster is the name of the cluster; empty: it has none.
func (c Config) Cluster() string {
	name, _ := c.totem("cluster_name")
	return name
}

// Version is the number of the configuration (config_version), which each change increases.
func (c Config) Version() uint64 {
	n, _ := c.version() // Parse has read it
	return n
}

// totem returns a key of the section totem; the last one counts.
func (c Config) totem(key string) (string, bool) {
	for _, s := range slices.Backward(c.root.sections("totem")) {
		if text, ok := s.get(key); ok {
			return text, true
		}
	}
	return "", false
}

func (c Config) version() (uint64, error) {
	text, ok := c.totem("config_version")
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == math.MaxUint64 {
		return 0, &FieldError{"totem.config_version", text, "a number below 2^64 - 1"}
	}
	return n, nil
}

// IsEncrypted reports whether nodes need a common key (authkey) to talk to each other.
func (c Config) IsEncrypted() bool {
	for _, key := range []string{"crypto_cipher", "crypto_hash"} {
		if text, ok := c.totem(key); ok && text != "none" {
			return true
		}
	}
	secure, _ := c.totem("secauth")
	return secure == "on"
}

// OwnKey is the setting by which the key of the nodes is somewhere else than in the usual file; empty:
// it is there.
func (c Config) OwnKey(usual string) string {
	if _, ok := c.totem("key"); ok {
		return "totem.key"
	}
	if path, ok := c.totem("keyfile"); ok && path != usual {
		return "totem.keyfile"
	}
	return ""
}

// Nodes lists the nodes in the order of the file.
func (c Config) Nodes() []Node {
	nodes, _ := c.nodes() // Parse has read them
	return nodes
}

// Node returns the node of a name.
func (c Config) Node(name string) (Node, bool) {
	nodes := c.Nodes()
	if i := slices.IndexFunc(nodes, func(n Node) bool { return n.Name == name }); i >= 0 {
		return nodes[i], true
	}
	return Node{}, false
}

func (c Config) nodes() ([]Node, error) {
	var nodes []Node
	for _, list := range c.root.sections("nodelist") {
		for _, s := range list.sections("node") {
			n, err := readNode(s)
			if err != nil {
				return nil, err
			}
			nodes = append(nodes, n)
		}
	}
	return nodes, nil
}

func readNode(s *section) (Node, error) {
	var n Node
	n.Name, _ = s.get("name")
	if text, ok := s.get("nodeid"); ok {
		id, err := strconv.ParseUint(text, 10, 32)
		if err != nil || id == 0 {
			return n, &FieldError{"nodelist.node.nodeid", text, "a number from 1 to 4294967295"}
		}
		n.ID = uint32(id)
	}
	for i := range MaxLinks {
		address, ok := s.get(ring(i))
		if !ok {
			break
		}
		n.Addresses = append(n.Addresses, address)
	}
	return n, nil
}

func ring(link int) string { return fmt.Sprintf("ring%d_addr", link) }

// HasOnlyLoopback reports whether no node can be reached from another machine: so is the example
// that distributions install.
func (c Config) HasOnlyLoopback() bool {
	nodes := c.Nodes()
	for _, n := range nodes {
		for _, text := range n.Addresses {
			if a, err := netip.ParseAddr(text); err != nil || !a.IsLoopback() {
				return false
			}
		}
	}
	return len(nodes) > 0
}

// Add returns the configuration with one more node, which gets an id. The error is a *FieldError:
// the name or an address is wrong or in use, or the addresses do not fit those of the other nodes.
func (c Config) Add(n Node) (Config, error) {
	nodes := c.Nodes()
	if err := checkNew(n, nodes); err != nil {
		return Config{}, err
	}
	n.ID = 1
	for _, other := range nodes {
		if other.ID == 0 {
			return Config{}, &FieldError{"nodelist.node.nodeid", "", "an id for each node in corosync.conf"}
		}
		if other.ID == math.MaxUint32 {
			return Config{}, &FieldError{"nodelist.node.nodeid", strconv.FormatUint(uint64(other.ID), 10), "a number below 4294967295, because the new node gets the next one"}
		}
		n.ID = max(n.ID, other.ID+1)
	}
	next := Config{c.root.clone()}
	s := &section{}
	for i, a := range n.Addresses {
		s.items = append(s.items, item{key: ring(i), text: a})
	}
	s.items = append(s.items, item{key: "name", text: n.Name}, item{key: "nodeid", text: strconv.FormatUint(uint64(n.ID), 10)})
	list := next.root.section("nodelist")
	list.items = append(list.items, item{key: "node", sub: s})
	return next.changed(c)
}

// Remove returns the configuration without some nodes. The error says that there is no such node,
// or no other one.
func (c Config) Remove(gone ...string) (Config, error) {
	for i, name := range gone {
		if _, ok := c.Node(name); !ok || slices.Contains(gone[:i], name) {
			return Config{}, &FieldError{"node", name, "one of " + strings.Join(names(c.Nodes()), ", ")}
		}
	}
	if len(c.Nodes()) == len(gone) {
		return Config{}, &FieldError{"node", strings.Join(gone, ", "), "another node beside it"}
	}
	next := Config{c.root.clone()}
	for _, list := range next.root.sections("nodelist") {
		list.items = slices.DeleteFunc(list.items, func(i item) bool {
			if i.key != "node" || i.sub == nil {
				return false
			}
			name, _ := i.sub.get("name")
			return slices.Contains(gone, name)
		})
	}
	return next.changed(c)
}

// CheckNames reports which node has no name, or one that another node has too, as a *FieldError:
// then a name does not say which node is meant. Upper and lower case are the same.
func (c Config) CheckNames() error {
	var known []string
	for _, n := range c.Nodes() {
		if n.Name == "" {
			return &FieldError{"nodelist.node.name", "", "a name for each node"}
		}
		if hasName(known, n.Name) {
			return &FieldError{"nodelist.node.name", n.Name, "a name that no other node has"}
		}
		known = append(known, n.Name)
	}
	return nil
}

func hasName(known []string, name string) bool {
	return slices.ContainsFunc(known, func(other string) bool { return strings.EqualFold(other, name) })
}

// quorum returns a key of the section quorum; the last one counts.
func (c Config) quorum(key string) (string, bool) {
	for _, s := range slices.Backward(c.root.sections("quorum")) {
		if text, ok := s.get(key); ok {
			return text, true
		}
	}
	return "", false
}

func (c Config) hasDevice() bool {
	return slices.ContainsFunc(c.root.sections("quorum"), func(s *section) bool { return len(s.sections("device")) > 0 })
}

// votes are those of all nodes.
func (c Config) votes() (uint64, error) {
	var all uint64
	for _, list := range c.root.sections("nodelist") {
		for _, s := range list.sections("node") {
			text, ok := s.get("quorum_votes")
			if !ok {
				text = "1"
			}
			n, err := strconv.ParseUint(text, 10, 16)
			if err != nil {
				return 0, &FieldError{"nodelist.node.quorum_votes", text, "a number from 0 to 65535"}
			}
			all += n
		}
	}
	return all, nil
}

// expect has quorum.expected_votes follow the list of nodes: it would replace their number. One that
// is not their number was somebody's decision, which is refused.
func (c Config) expect(before Config) error {
	text, ok := before.quorum("expected_votes")
	if !ok {
		return nil
	}
	former, err := before.votes()
	if err != nil {
		return err
	}
	now, err := c.votes()
	if err != nil {
		return err
	}
	if text != strconv.FormatUint(former, 10) || c.hasDevice() {
		return &FieldError{"quorum.expected_votes", text, fmt.Sprintf("no such line in corosync.conf, because the nodes have %d votes, and corosync counts them", former)}
	}
	for _, s := range c.root.sections("quorum") {
		if _, ok := s.get("expected_votes"); ok {
			s.set("expected_votes", strconv.FormatUint(now, 10))
		}
	}
	return nil
}

// changed counts a change of the list of nodes. Two nodes have a quorum of one (two_node), unless a
// third party decides between them (device).
func (c Config) changed(before Config) (Config, error) {
	if err := c.expect(before); err != nil {
		return Config{}, err
	}
	version, err := c.version()
	if err != nil {
		return Config{}, err
	}
	all := c.root.sections("totem")
	if len(all) == 0 {
		all = []*section{c.root.section("totem")}
	}
	all[len(all)-1].set("config_version", strconv.FormatUint(version+1, 10))
	quorum := c.root.section("quorum")
	for _, s := range c.root.sections("quorum") {
		s.unset("two_node")
	}
	if len(c.Nodes()) == 2 && !c.hasDevice() {
		quorum.set("two_node", "1")
	}
	return c, nil
}

func names(nodes []Node) []string {
	all := make([]string, len(nodes))
	for i, n := range nodes {
		all[i] = n.Name
	}
	return all
}
