package corosync_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"thalassa/corosync"
	"thalassa/internal/testkit"
)

func node(i int) corosync.Node {
	return corosync.Node{Name: fmt.Sprintf("lb%d", i), Addresses: []string{fmt.Sprintf("192.0.2.%d", i)}}
}

func founded(tb testing.TB) corosync.Config {
	tb.Helper()
	c, err := corosync.New(corosync.Settings{Cluster: "edge"}, node(1))
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func add(tb testing.TB, c corosync.Config, i int) corosync.Config {
	tb.Helper()
	next, err := c.Add(node(i))
	if err != nil {
		tb.Fatal(err)
	}
	return next
}

// A new cluster is encrypted and notices the death of a node within seconds.
func TestNew(t *testing.T) {
	t.Parallel()
	c := founded(t)
	want := `totem {
    version: 2
    config_version: 1
    cluster_name: edge
    transport: knet
    crypto_cipher: aes256
    crypto_hash: sha256
    token: 1000
    token_coefficient: 0
}
quorum {
    provider: corosync_votequorum
}
logging {
    to_logfile: yes
    logfile: /var/log/corosync/corosync.log
    to_syslog: yes
    timestamp: hires
}
nodelist {
    node {
        ring0_addr: 192.0.2.1
        name: lb1
        nodeid: 1
    }
}
`
	if got := string(c.Bytes()); got != want {
		t.Errorf("got\n%s", got)
	}
	if c.Cluster() != "edge" || c.Version() != 1 || !c.IsEncrypted() || c.HasOnlyLoopback() {
		t.Errorf("%q, version %d, encrypted %t, loopback %t", c.Cluster(), c.Version(), c.IsEncrypted(), c.HasOnlyLoopback())
	}
}

// Exactly two nodes have two_node, unless a device decides between them. Each change counts.
func TestAddAndRemove(t *testing.T) {
	t.Parallel()
	one := founded(t)
	two := add(t, one, 2)
	three := add(t, two, 3)
	back, err := three.Remove("lb2")
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []corosync.Config{one, two, three, back} {
		hasTwo := strings.Contains(string(c.Bytes()), "two_node: 1")
		if hasTwo != (i == 1 || i == 3) || c.Version() != uint64(i+1) {
			t.Errorf("%d: two_node %t, version %d", i, hasTwo, c.Version())
		}
	}
	var ids []uint32
	for _, n := range add(t, back, 4).Nodes() {
		ids = append(ids, n.ID)
	}
	if !slices.Equal(ids, []uint32{1, 3, 4}) {
		t.Errorf("ids %v", ids)
	}
	if _, err := back.Remove("lb9"); err == nil || !strings.Contains(err.Error(), "lb1, lb3") {
		t.Errorf("removing an unknown node: %v", err)
	}
	if _, err := one.Remove("lb1"); err == nil {
		t.Error("the last node was removed")
	}
	device, err := corosync.Parse(append(two.Bytes(), "quorum {\n device {\n model: net\n }\n}\n"...))
	if err != nil {
		t.Fatal(err)
	}
	if device, err = add(t, device, 3).Remove("lb3"); err != nil || strings.Contains(string(device.Bytes()), "two_node") {
		t.Errorf("with a device: %v\n%s", err, device.Bytes())
	}
}

// Some nodes go with one change, and none twice.
func TestRemoveSome(t *testing.T) {
	t.Parallel()
	four := add(t, add(t, add(t, founded(t), 2), 3), 4)
	c, err := four.Remove("lb2", "lb4")
	if err != nil || len(c.Nodes()) != 2 || c.Version() != 5 {
		t.Errorf("%v\n%s", err, c.Bytes())
	}
	for _, gone := range [][]string{{"lb1", "lb2", "lb3", "lb4"}, {"lb2", "lb2"}} {
		if _, err := four.Remove(gone...); err == nil {
			t.Errorf("removed %v", gone)
		}
	}
}

// What counts for quorum follows the nodes, or the change is refused.
func TestExpectedVotes(t *testing.T) {
	t.Parallel()
	two := add(t, founded(t), 2)
	for line, want := range map[string]string{
		"expected_votes: 2\n":                          "expected_votes: 3\n",
		"expected_votes: 7\nexpected_votes: 2\n":       "expected_votes: 3\n",
		"expected_votes: 1\n":                          "",
		"expected_votes: x\n":                          "",
		"expected_votes: 2\ndevice {\nmodel: net\n}\n": "",
	} {
		c, err := corosync.Parse(append(two.Bytes(), "quorum {\n"+line+"}\n"...))
		if err != nil {
			t.Fatal(err)
		}
		next, err := c.Add(corosync.Node{Name: "lb3", Addresses: []string{"192.0.2.3"}})
		switch {
		case want == "":
			if err == nil || !strings.Contains(err.Error(), "quorum.expected_votes") {
				t.Errorf("%q: %v", line, err)
			}
		case err != nil || !strings.Contains(string(next.Bytes()), want):
			t.Errorf("%q: %v\n%s", line, err, next.Bytes())
		}
	}
	votes, err := corosync.Parse([]byte(strings.Replace(string(two.Bytes()), "nodeid: 2", "nodeid: 2\nquorum_votes: 3", 1) + "quorum {\nexpected_votes: 4\n}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if next := add(t, votes, 3); !strings.Contains(string(next.Bytes()), "expected_votes: 5\n") {
		t.Errorf("with votes:\n%s", next.Bytes())
	}
}

func TestCheckNames(t *testing.T) {
	t.Parallel()
	for nodes, want := range map[string]bool{
		"node {\nname: a\n}\nnode {\nname: b\n}\n":               true,
		"node {\nname: LB1\n}\nnode {\nname: lb1\n}\n":           false,
		"node {\nname: a\n}\nnode {\nring0_addr: 192.0.2.2\n}\n": false,
	} {
		c, err := corosync.Parse([]byte("nodelist {\n" + nodes + "}\n"))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.CheckNames(); (err == nil) != want {
			t.Errorf("%q: %v", nodes, err)
		}
	}
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	c := founded(t)
	full := c
	for i := 2; i <= corosync.MaxNodes; i++ {
		full = add(t, full, i)
	}
	with := func(name string, addresses ...string) corosync.Node {
		return corosync.Node{Name: name, Addresses: addresses}
	}
	for what, given := range map[string]struct {
		c     corosync.Config
		n     corosync.Node
		field string
	}{
		"a name in use":          {c, with("lb1", "192.0.2.2"), "node"},
		"no name":                {c, with("", "192.0.2.2"), "node"},
		"a brace":                {c, with("a{", "192.0.2.2"), "node"},
		"a line break":           {c, with("a\nb", "192.0.2.2"), "node"},
		"a long name":            {c, with(strings.Repeat("a", 64), "192.0.2.2"), "node"},
		"an address in use":      {c, with("lb2", "192.0.2.1"), "address"},
		"no address":             {c, with("lb2"), "address"},
		"a second link":          {c, with("lb2", "192.0.2.2", "198.51.100.2"), "address"},
		"another family":         {c, with("lb2", "2001:db8::2"), "address"},
		"a loopback address":     {c, with("lb2", "127.0.0.1"), "address"},
		"a multicast address":    {c, with("lb2", "224.0.0.1"), "address"},
		"an unspecified address": {c, with("lb2", "0.0.0.0"), "address"},
		"a zone":                 {c, with("lb2", "fe80::1%eth0"), "address"},
		"a host name":            {c, with("lb2", "lb2.example"), "address"},
		"another spelling":       {c, with("lb2", "::ffff:192.0.2.2"), "address"},
		"too many nodes":         {full, with("lb99", "192.0.2.99"), "node"},
	} {
		var e *corosync.FieldError
		if _, err := given.c.Add(given.n); !errors.As(err, &e) || e.Field != given.field || e.Expected == "" {
			t.Errorf("%s: got %v, expected an error about %s", what, err, given.field)
		} else if e.Field == "address" && !strings.Contains(strings.Join(given.n.Addresses, ", "), e.Value) {
			t.Errorf("%s: %v does not show what was given", what, err)
		}
	}
}

// debian is the start of the example of Debian's package, with things that nobody here knows.
const debian = `# Please read the corosync.conf.5 manual page
totem {
	version: 2

	# Corosync itself works without a cluster name
	cluster_name: debian
	crypto_cipher: none
	crypto_hash: none
	interface {
		linknumber: 0
		knet_link_priority: 255
	}
}

quorum {
	provider: corosync_votequorum
}
some_day {
	later: a:b # c
}

nodelist {
	# Change/uncomment/add node sections

	node {
		name: node1
		nodeid: 1
		ring0_addr: 127.0.0.1
		#ring1_addr: 192.168.1.1
	}
}
`

// A change touches only the lines that it is about.
func TestKeepsTheRest(t *testing.T) {
	t.Parallel()
	c, err := corosync.Parse([]byte(strings.Replace(debian, "127.0.0.1", "host.example", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(c.Bytes()); got != strings.Replace(debian, "127.0.0.1", "host.example", 1) {
		t.Errorf("got\n%s", got)
	}
	next := add(t, c, 2)
	missing := missingLines(string(c.Bytes()), string(next.Bytes()))
	if len(missing) > 0 {
		t.Errorf("lost %q", missing)
	}
	again, err := next.Remove("lb2")
	if err != nil {
		t.Fatal(err)
	}
	if more := missingLines(string(again.Bytes()), string(c.Bytes())); len(more) != 1 || more[0] != "    config_version: 2" {
		t.Errorf("adding and removing a node leaves %q", more)
	}
}

// missingLines are the lines of one text that another one does not have in the same order.
func missingLines(of, in string) []string {
	var missing []string
	rest := strings.Split(in, "\n")
	for line := range strings.Lines(of) {
		line = strings.TrimSuffix(line, "\n")
		if i := slices.Index(rest, line); i >= 0 {
			rest = rest[i+1:]
		} else {
			missing = append(missing, line)
		}
	}
	return missing
}

func TestHasOnlyLoopback(t *testing.T) {
	t.Parallel()
	c, err := corosync.Parse([]byte(debian))
	if err != nil {
		t.Fatal(err)
	}
	if !c.HasOnlyLoopback() || c.IsEncrypted() {
		t.Errorf("loopback %t, encrypted %t", c.HasOnlyLoopback(), c.IsEncrypted())
	}
	none, err := corosync.Parse(nil)
	if err != nil || none.HasOnlyLoopback() {
		t.Errorf("an empty file: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"totem {":                             "line 1: expected a closing brace",
		"}":                                   "line 1: expected no closing brace",
		"totem {\n  version 2\n}":             "line 2: expected a key with a value",
		"totem { version: 2\n}":               "line 1: expected nothing after the opening brace",
		"{\n}":                                "line 1: expected the name",
		": 3":                                 "line 1: expected a key",
		"a: " + strings.Repeat("x", 600):      "line 1: expected at most 510 bytes",
		strings.Repeat("a {\n", 10):           "line 9: expected at most 8 sections",
		"nodelist {\nnode {\nnodeid: 0\n}\n}": "nodelist.node.nodeid",
		"totem {\nconfig_version: x\n}":       "totem.config_version",
		"a: \x00":                             "zero bytes",
		strings.Repeat("#\n", 200_000):        "a file of at most",
	} {
		if _, err := corosync.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: got %v, expected %q", text, err, want)
		}
	}
}

// corosync itself accepts what is written.
func TestCorosyncAccepts(t *testing.T) {
	t.Parallel()
	program := testkit.Tool(t, "corosync")
	c := founded(t)
	for i := 2; i <= 4; i++ {
		path := filepath.Join(t.TempDir(), "corosync.conf")
		// Without encryption, because its key has one place; it demands that a node is here.
		text := strings.NewReplacer("aes256", "none", "sha256", "none", "192.0.2.1\n", "127.0.0.1\n").Replace(string(c.Bytes()))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(program, "-t", "-c", path).CombinedOutput(); err != nil {
			t.Errorf("%v: %s\n%s", err, out, text)
		}
		c = add(t, c, i)
	}
}

// Any order of changes leaves what a human has written, valid ids, and two_node where it belongs.
func TestChangesInAnyOrder(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 50 {
		c, present := founded(t), []int{1}
		for range 30 {
			before := c.Version()
			if i := 1 + r.IntN(6); !slices.Contains(present, i) {
				c, present = add(t, c, i), append(present, i)
			} else if len(present) > 1 {
				next, err := c.Remove(node(i).Name)
				if err != nil {
					t.Fatal(err)
				}
				c, present = next, slices.DeleteFunc(present, func(n int) bool { return n == i })
			} else {
				continue
			}
			again, err := corosync.Parse(c.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			ids := map[uint32]bool{}
			for _, n := range again.Nodes() {
				ids[n.ID] = true
			}
			two := strings.Contains(string(c.Bytes()), "two_node: 1")
			if len(ids) != len(present) || ids[0] || again.Version() != before+1 || two != (len(present) == 2) {
				t.Fatalf("with nodes %v, two_node %t:\n%s", present, two, c.Bytes())
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(debian))
	f.Add([]byte("totem {\n crypto_cipher: aes256\n}\nnodelist {\n node {\n name: a\n nodeid: 4294967295\n }\n}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := corosync.Parse(data)
		if err != nil {
			return
		}
		text := c.Bytes()
		again, err := corosync.Parse(text)
		if err != nil || !bytes.Equal(again.Bytes(), text) {
			t.Fatalf("%v: %q became %q", err, text, again.Bytes())
		}
		next, err := c.Add(corosync.Node{Name: "new", Addresses: []string{"192.0.2.250"}})
		if err != nil {
			return
		}
		if len(next.Bytes()) > corosync.MaxBytes {
			return
		}
		parsed, err := corosync.Parse(next.Bytes())
		if err != nil {
			t.Fatalf("%v: %q", err, next.Bytes())
		}
		added, ok := parsed.Node("new")
		if !ok || added.ID == 0 || len(parsed.Nodes()) != len(c.Nodes())+1 || parsed.Version() != c.Version()+1 {
			t.Fatalf("%q", next.Bytes())
		}
	})
}
