package cluster_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/internal/testkit/cluster"
)

// onlyAddress is a floating IP without anything else.
const onlyAddress = `<primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2">
	<instance_attributes id="vip-params">
		<nvpair id="vip-ip" name="ip" value="` + cluster.Floating + `"/>
		<nvpair id="vip-mask" name="cidr_netmask" value="24"/>
	</instance_attributes>
	<operations><op id="vip-monitor" name="monitor" interval="5s"/></operations>
</primitive>`

// greeter is a HAProxy on every node that answers with the node's name.
const greeter = `printf 'defaults\n mode http\n timeout client 9s\n timeout server 9s\n timeout connect 9s\n' >/etc/greeter.cfg
printf 'frontend web\n bind *:80\n http-request return status 200 content-type text/plain string %s\n' "$(hostname)" >>/etc/greeter.cfg
exec haproxy -db -f /etc/greeter.cfg`

func TestFixtureOfNodes(t *testing.T) {
	testkit.HAProxy(t)
	fixture := cluster.Start(t, cluster.Config{Resources: onlyAddress, Units: map[string]string{"greeter": greeter}})
	holders, client := fixture.WatchHolders(cluster.Floating), fixture.Probe(cluster.Floating+":80", 500*time.Millisecond)
	first := awaitService(t, client, holders)

	t.Run("a node that is switched off is fenced, and the address moves", func(t *testing.T) {
		begun := time.Now()
		fixture.Node(first).Kill()
		fixture.Fences(t, first, begun)
		if next := awaitService(t, client, holders); next == first {
			t.Errorf("the address is on %s still", next)
		}
		report := client.Report().Since(begun)
		t.Logf("outage %s, failures %v", report.Outage().Round(time.Millisecond), report.Errors())
		if report.Failed() == 0 {
			t.Error("the client noticed nothing")
		}
		if len(fixture.Up()) != 2 {
			t.Errorf("%d nodes are up, expected 2", len(fixture.Up()))
		}
	})
	t.Run("a node comes back with its disk", func(t *testing.T) {
		fixture.Node(first).Boot()
		fixture.AwaitOnline()
		if out := fixture.Node(first).Run("cat", "/etc/greeter.cfg"); !strings.Contains(out, "string "+first) {
			t.Errorf("its file is %q", out)
		}
	})
	t.Run("a node whose cable is pulled is fenced before the address moves", func(t *testing.T) {
		before := awaitService(t, client, holders)
		begun := time.Now()
		fixture.Node(before).Unplug()
		fixture.Fences(t, before, begun)
		if next := awaitService(t, client, holders); next == before {
			t.Errorf("the address is on %s still", next)
		}
	})
	if most := holders.Most(); len(most) != 1 {
		t.Errorf("the address was on %s at one moment", most)
	}
	if holders.Samples() < 100 {
		t.Errorf("only %d samples", holders.Samples())
	}
}

// Signals make Pacemaker take its CIB manager's end for corosync's, and give up.
func TestPacemakerThatGivesUpIsRestarted(t *testing.T) {
	fixture := cluster.Start(t, cluster.Config{NoFencing: true})
	n := fixture.Node("n1")
	launcher := n.PIDs("pacemakerd")[0]
	fixture.AwaitIdle()
	before := n.PIDs("pacemaker-based")
	n.KillProcess(t, "pacemaker-based")
	testkit.Eventually(t, time.Minute, func() error {
		for range 10_000 {
			_ = syscall.Kill(launcher, syscall.SIGCHLD)
		}
		if now := n.PIDs("pacemaker-based"); len(now) > 0 && now[0] != before[0] {
			return nil // it has got an answer nevertheless
		}
		if !strings.Contains(n.Log("pacemaker/pacemaker.log", 100), "Not respawning pacemaker-based") {
			return errors.New("it has not tried yet")
		}
		return nil
	})
	fixture.AwaitOnline()
	if len(n.PIDs("pacemaker-based")) == 0 {
		t.Error("there is no CIB manager")
	}
}

// awaitService waits until the client is answered through the address again, and
// returns the one node that holds it.
func awaitService(t *testing.T, client *cluster.Prober, holders *cluster.Holders) string {
	t.Helper()
	var holder string
	begun := time.Now()
	testkit.Eventually(t, 2*time.Minute, func() error {
		now, report := holders.Now(), client.Report().Since(begun)
		if len(now) != 1 || !report.Answering(10) || report[len(report)-1].Answer != now[0] {
			return fmt.Errorf("the address is on %s; %d probes, %v", now, len(report), report.Errors())
		}
		holder = now[0]
		return nil
	})
	return holder
}

func TestFixtureIsTornDown(t *testing.T) {
	var first string
	t.Run("fixture", func(t *testing.T) {
		fixture := cluster.Prepare(t, cluster.Config{})
		consul := fixture.Consul()
		fixture.Serve(8001, "hello")
		consul.Register(testkit.Instance{Service: "shop", Address: cluster.Outside, Port: 8001})
		if services := string(consul.Do(http.MethodGet, "/v1/catalog/services", nil)); !strings.Contains(services, `"shop"`) {
			t.Errorf("consul knows %s", services)
		}
		client := fixture.Probe(cluster.Outside+":8001", 5*time.Second)
		testkit.Eventually(t, time.Minute, func() error {
			if report := client.Report(); !report.Answering(10) || report.Answers()["hello"] < 10 {
				return fmt.Errorf("answers %v, failures %v", report.Answers(), report.Errors())
			}
			return nil
		})
		first = fixture.FirstProcess()
	})
	if first == "" {
		t.Skip("no fixture to be torn down")
	}
	if _, err := os.Stat(first); err == nil {
		t.Errorf("the fixture's first process %s is still there", first)
	}
}
