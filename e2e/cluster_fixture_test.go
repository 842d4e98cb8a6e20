package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/internal/testkit/cluster"
	"thalassa/pacemaker"
)

// A clusterFixture is a cluster of load balancers: HAProxy as a resource of Pacemaker's
// beside a floating IP, an agent and a Consul agent on every node, a Consul server,
// services, and clients outside.
type clusterFixture struct {
	tb      testing.TB
	cluster *cluster.Fixture
	consul  *testkit.ConsulAgent
	holders *cluster.Holders
	members int    // registered so far
	token   string // for the agents; empty: they let everybody in
}

// topology is how HAProxy and the floating IP are arranged.
type topology string

const (
	// clone has HAProxy run on every node, with the address where one works.
	clone topology = pacemaker.Clone
	// group has HAProxy and the address on one node.
	group topology = pacemaker.Group
)

// newClusterFixture boots three nodes and waits until the service answers.
func newClusterFixture(tb testing.TB, how topology) *clusterFixture {
	tb.Helper()
	return bootCluster(tb, clusterConfig(tb), how)
}

// bootCluster has the cluster set up as everybody's is, by thalassa cluster apply.
func bootCluster(tb testing.TB, cfg cluster.Config, how topology) *clusterFixture {
	tb.Helper()
	testkit.HAProxy(tb)
	s := &clusterFixture{tb: tb, cluster: cluster.Prepare(tb, cfg)}
	s.boot(how)
	return s
}

// bootNodes boots nodes beside a Consul. It does not wait until they are in a cluster.
func bootNodes(tb testing.TB, cfg cluster.Config) *clusterFixture {
	tb.Helper()
	s := &clusterFixture{tb: tb, cluster: cluster.Prepare(tb, cfg)}
	s.bootNodes()
	return s
}

// bootNodes is the function of this name for a cluster that is prepared.
func (s *clusterFixture) bootNodes() {
	s.tb.Helper()
	s.consul = s.cluster.Consul()
	for _, n := range s.cluster.Nodes {
		n.Boot()
	}
}

// boot is bootCluster for a cluster that is prepared.
func (s *clusterFixture) boot(how topology) {
	s.tb.Helper()
	s.bootNodes()
	s.register()
	s.cluster.AwaitOnline()
	for _, n := range s.cluster.Nodes {
		s.configure(n)
	}
	s.holders = s.cluster.WatchHolders(cluster.Floating)
	s.commands().call(0, s.apply("--topology", string(how))...)
	s.serving()
}

// authorize adds the token to a request.
func (s *clusterFixture) authorize(req *http.Request) {
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
}

// apply is the command that sets it up, with further arguments. Where nobody measures how long
// a failure lasts, monitors leave some of the machine to others.
func (s *clusterFixture) apply(args ...string) []string {
	all := []string{"apply", "--ip", cluster.Floating + "/24"}
	if _, isBenchmark := s.tb.(*testing.B); !isBenchmark {
		all = append(all, "--monitor", "2s")
	}
	return append(all, args...)
}

func clusterConfig(tb testing.TB) cluster.Config {
	tb.Helper()
	read := func(path string) []byte {
		data, err := os.ReadFile(path)
		if err != nil {
			tb.Fatal(err)
		}
		return data
	}
	files := map[string]cluster.File{
		"thalassa":      {Content: read(build(tb)), Mode: 0o755},
		"ocf-haproxy":   {Content: read("../packaging/ocf-haproxy"), Mode: 0o755},
		"ocf-agent":     {Content: read("../packaging/ocf-agent"), Mode: 0o755},
		"thalassa.yaml": {Content: read("../packaging/thalassa.yaml")},
	}
	if stream := buildStream(tb); stream != nil {
		files["thalassa-cib"] = cluster.File{Content: stream, Mode: 0o755}
	}
	return cluster.Config{
		Files: files,
		Setup: `mkdir -p /usr/lib/ocf/resource.d/thalassa /var/lib/thalassa /run/thalassa
			ln -sf /run/fixture/thalassa /usr/bin/thalassa
			install -m 0755 /run/fixture/ocf-haproxy /usr/lib/ocf/resource.d/thalassa/haproxy
			install -m 0755 /run/fixture/ocf-agent /usr/lib/ocf/resource.d/thalassa/agent`,
		Units: map[string]string{
			"thalassa": `exec thalassa agent --config /run/fixture/thalassa.yaml --token-file "" --haproxy pacemaker --haproxy-log "" --debug`,
		},
	}
}

// commands are those of the command line on any node that is up.
func (s *clusterFixture) commands() commandCluster { return commandCluster{s.cluster, s.tb} }

// register adds a member to the service, which answers with its name.
func (s *clusterFixture) register() {
	s.members++
	name, port := fmt.Sprintf("member-%d", s.members), 8000+s.members
	s.cluster.Serve(port, name)
	s.consul.Register(testkit.Instance{
		ID: name, Service: "shop", Address: cluster.Outside, Port: port, Meta: map[string]string{"version": "1.0.0"}, Tags: []string{"1.0.0"},
	})
}

// configure tells the agent of a node what its HAProxy is to do.
func (s *clusterFixture) configure(n *cluster.Node) {
	s.tb.Helper()
	s.call(n, http.MethodPut, "/backends/live", `{"type":"dynamic","name":"shop","version":"1.0.0"}`)
	s.call(n, http.MethodPut, "/frontends/web", `{"bind":"*:80","backend":"live"}`)
}

// call asks the API of a node's agent, patiently.
func (s *clusterFixture) call(n *cluster.Node, method, path, body string) string {
	s.tb.Helper()
	var answer string
	testkit.Eventually(s.tb, time.Minute, func() error {
		status, text, err := s.try(n, method, path, body)
		if err == nil && status/100 != 2 {
			err = fmt.Errorf("%s %s on %s: %d %s", method, path, n.Name, status, text)
		}
		answer = text
		return err
	})
	return answer
}

func (s *clusterFixture) try(n *cluster.Node, method, path, body string) (int, string, error) {
	request, err := http.NewRequest(method, "http://127.0.0.1:10000"+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Content-Type", "application/json")
	s.authorize(request)
	client := s.cluster.HTTP(n.Name)
	client.Timeout = time.Minute
	res, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

// serving waits until a client outside is answered by the newest member alone,
// through the one node that holds the address, and returns that.
func (s *clusterFixture) serving() *cluster.Node {
	s.tb.Helper()
	return s.answering(1)
}

// answering is serving by the newest n members.
func (s *clusterFixture) answering(n int) *cluster.Node {
	s.tb.Helper()
	var want []string
	for i := range n {
		want = append(want, fmt.Sprintf("member-%d", s.members-i))
	}
	slices.Sort(want)
	client := s.cluster.Probe(cluster.Floating+":80", 500*time.Millisecond)
	defer client.Stop()
	var holder string
	testkit.Eventually(s.tb, 2*time.Minute, func() error {
		now, report := s.holders.Now(), client.Report()
		last := report[max(0, len(report)-10):]
		if len(now) != 1 || !report.Answering(10) || !slices.Equal(slices.Sorted(maps.Keys(last.Answers())), want) {
			return fmt.Errorf("the address is on %s; %d probes, the last answers %v, expected %v; failures %v", now, len(report), last.Answers(), want, report.Errors())
		}
		holder = now[0]
		return nil
	})
	return s.cluster.Node(holder)
}

// recover boots the nodes that are off, plugs them in, and waits until nothing is
// left to do. It cleans nothing up: with its history Pacemaker would forget how
// HAProxy was started, and start it again where a reload would do.
func (s *clusterFixture) recover() {
	s.tb.Helper()
	s.cluster.AwaitAll()
	s.cluster.AwaitIdle()
	s.serving()
}

// onAll waits until HAProxy runs on every node.
func (s *clusterFixture) onAll() {
	s.tb.Helper()
	var names []string
	for _, n := range s.cluster.Nodes {
		names = append(names, n.Name)
	}
	s.cluster.AwaitRunning(s.tb, "haproxy", names...)
}

// An effect is what clients saw of a disturbance.
type effect struct {
	outage   time.Duration  // of a client that waits half a second for an answer
	failures map[string]int // of that client
	refused  int            // new connections of a patient client that could not be made
	cut      int            // requests of a patient client that were not answered
	from, to string         // where the address was
}

func (e effect) String() string {
	return fmt.Sprintf("address %s -> %s, outage %s; a patient client: %d connections refused, %d requests cut off; an impatient one: %v",
		e.from, e.to, e.outage.Round(time.Millisecond), e.refused, e.cut, e.failures)
}

// disturb does something to the node that holds the address, replaces the
// service's member meanwhile, and waits until over returns nil and the service
// answers with the new member alone. Never must two nodes hold the address.
func (s *clusterFixture) disturb(do func(holder *cluster.Node), over func(e effect) error) effect {
	s.tb.Helper()
	s.register()
	holder := s.answering(2)
	impatient, patient := s.cluster.Probe(cluster.Floating+":80", 500*time.Millisecond), s.cluster.Probe(cluster.Floating+":80", 10*time.Second)
	s.answered(impatient, 20)
	e := effect{from: holder.Name}
	do(holder)
	s.consul.Deregister(fmt.Sprintf("member-%d", s.members-1))
	testkit.Eventually(s.tb, 2*time.Minute, func() error {
		e.outage = impatient.Report().Outage()
		return over(e)
	})
	e.to = s.serving().Name
	s.answered(impatient, 50)
	quick, slow := impatient.Stop(), patient.Stop()
	e.outage, e.failures = quick.Outage(), quick.Errors()
	for text, n := range slow.Errors() {
		if strings.HasPrefix(text, "connecting:") {
			e.refused += n
		} else {
			e.cut += n
		}
	}
	if most := s.holders.Most(); len(most) > 1 {
		s.tb.Errorf("the address was on %s at one moment", most)
	}
	return e
}

// noticed is over when the clients have noticed something.
func noticed(e effect) error {
	if e.outage == 0 {
		return errors.New("the clients have noticed nothing yet")
	}
	return nil
}

// moved is over when the address has left a node.
func (s *clusterFixture) moved(e effect) error {
	if now := s.holders.Now(); len(now) != 1 || now[0] == e.from {
		return fmt.Errorf("the address is on %s, expected it to leave %s", now, e.from)
	}
	return nil
}

// atOnce is over.
func atOnce(effect) error { return nil }

// calm is over when the cluster has nothing to do.
func (s *clusterFixture) calm(effect) error { return s.cluster.Idle() }

// answered waits until the newest n requests of a client were answered.
func (s *clusterFixture) answered(client *cluster.Prober, n int) {
	s.tb.Helper()
	begun := time.Now()
	testkit.Eventually(s.tb, 2*time.Minute, func() error {
		if report := client.Report().Since(begun); !report.Answering(n) {
			return fmt.Errorf("%d probes, failures %v", len(report), report.Errors())
		}
		return nil
	})
}

func decode(tb testing.TB, text string, v any) {
	tb.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		tb.Fatalf("%v: %s", err, text)
	}
}
