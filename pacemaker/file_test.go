package pacemaker_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/pacemaker"
)

// onFile is the real tools on a copy of a CIB.
func onFile(tb testing.TB, name string) (*pacemaker.Cluster, string) {
	tb.Helper()
	testkit.Needs(tb, "Pacemaker")
	if _, err := os.Stat("/usr/sbin/crm_mon"); err != nil {
		testkit.Missing(tb, "crm_mon is not installed; make setup installs it")
	}
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(tb.TempDir(), "cib.xml")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return pacemaker.New(pacemaker.Config{File: path}), path
}

func prefixes(tb testing.TB, list ...string) []netip.Prefix {
	tb.Helper()
	out := make([]netip.Prefix, len(list))
	for i, text := range list {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

func TestViewOfARunningCluster(t *testing.T) {
	c, _ := onFile(t, "failed.xml")
	v, err := c.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if v.DC != "n1" || !v.Quorum || v.Version != "2.1.5" || v.Name != "lab" || v.Fencing.Works() || len(v.Nodes) != 3 {
		t.Errorf("%+v", v)
	}
	if len(v.FloatingIPs) != 1 || v.FloatingIPs[0].Address != "10.77.0.100/24" || v.FloatingIPs[0].Node != "n2" {
		t.Errorf("floating IPs %+v", v.FloatingIPs)
	}
	i := slices.IndexFunc(v.Resources, func(r cluster.Resource) bool { return r.ID == "haproxy" })
	if i < 0 || !v.Resources[i].Clone || v.Resources[i].In != "haproxy-clone" || !slices.Equal(v.Resources[i].Nodes(), []string{"n1", "n2", "n3"}) {
		t.Errorf("resources %+v", v.Resources)
	}
	want := cluster.Failure{
		Node: "n2", Resource: "haproxy", Operation: "asyncmon", Code: 1, Status: "complete", Meaning: "error", Reason: "Simulated failure",
		Call: v.Failures[0].Call, Time: v.Failures[0].Time,
	}
	if len(v.Failures) != 1 || v.Failures[0] != want || want.Time.Year() != 2026 {
		t.Errorf("failures %+v", v.Failures)
	}
	if v.State != cluster.StateErrors || len(v.Reasons) != 2 || !strings.Contains(v.Reasons[0], "Simulated failure") {
		t.Errorf("state %s: %q", v.State, v.Reasons)
	}
	if v.Nodes[1].Attributes["thalassa-check"] != "abc" {
		t.Errorf("attributes of n2: %v", v.Nodes[1].Attributes)
	}
}

func TestPlanIsIdempotent(t *testing.T) {
	for name, d := range map[string]pacemaker.Description{
		"clone, one address": {Addresses: prefixes(t, "192.0.2.10/24"), Prefer: []string{"n2", "n1"}},
		"clone, two":         {Addresses: prefixes(t, "192.0.2.10/24", "2001:db8::10/64"), Interface: "eth0", Name: "edge"},
		"group":              {Addresses: prefixes(t, "192.0.2.10/24", "2001:db8::10/64"), Topology: pacemaker.Group, Parameters: map[string]string{"config": "/etc/<&>\".cfg"}},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := onFile(t, "empty.xml")
			d.Agent = "ocf:heartbeat:Dummy"
			p, err := c.Plan(t.Context(), d)
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Changes) == 0 || !slices.ContainsFunc(p.Consequences.Text, func(s string) bool { return strings.Contains(s, "vip") }) {
				t.Errorf("changes %q, consequences %q", p.Changes, p.Consequences.Text)
			}
			// Nothing settles in a file.
			if _, err := c.Apply(t.Context(), p, time.Millisecond); !cluster.IsKind(err, cluster.KindTimedOut) {
				t.Fatalf("applying: %v", err)
			}
			again, err := c.Plan(t.Context(), d)
			if err != nil || len(again.Changes) != 0 {
				t.Errorf("planned again: %q, %v", again.Changes, err)
			}
			if again.Epoch.Configuration() == p.Epoch.Configuration() {
				t.Errorf("epoch %s after %s", again.Epoch, p.Epoch)
			}
			// What was planned on the former configuration is not applied to this one.
			if _, err := c.Apply(t.Context(), p, time.Millisecond); !cluster.IsKind(err, cluster.KindStale) {
				t.Errorf("a plan that is out of date: %v", err)
			}
			d.Stickiness = new(200)
			changed, err := c.Plan(t.Context(), d)
			if err != nil || len(changed.Changes) == 0 || strings.HasPrefix(changed.Changes[0], "create") {
				t.Errorf("with another stickiness: %q, %v", changed.Changes, err)
			}
		})
	}
}

func TestPlanKeepsWhatOperatorsHaveSet(t *testing.T) {
	c, path := onFile(t, "empty.xml")
	d := pacemaker.Description{Addresses: prefixes(t, "192.0.2.10/24"), Agent: "ocf:heartbeat:Dummy"}
	apply := func() pacemaker.Plan {
		t.Helper()
		p, err := c.Plan(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Apply(t.Context(), p, time.Millisecond)
		return p
	}
	apply()
	tool(t, path, "crm_resource", "-r", "haproxy", "-p", "generation", "-v", "7")
	tool(t, path, "crm_resource", "-r", "haproxy-clone", "--meta", "-p", "target-role", "-v", "Stopped")
	if p := apply(); len(p.Changes) != 0 {
		t.Errorf("changes %q", p.Changes)
	}
	d.Topology = pacemaker.Group
	p := apply()
	data, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(data), `name="generation" value="7"`) {
		t.Errorf("the generation is lost by %q", p.Changes)
	}
	if strings.Contains(string(data), "haproxy-clone") || strings.Contains(string(data), "rsc_colocation") {
		t.Errorf("parts of the clone are left")
	}
}

// tool runs one of Pacemaker's tools on a file.
func tool(t *testing.T, file, name string, args ...string) {
	t.Helper()
	cmd := exec.Command("/usr/sbin/"+name, args...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin", "CIB_file=" + file}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
}

func TestPlanGathersEventsUnlessSomebodyHasSaidHow(t *testing.T) {
	c, path := onFile(t, "empty.xml")
	d := pacemaker.Description{Addresses: prefixes(t, "192.0.2.10/24"), Agent: "ocf:heartbeat:Dummy"}
	changes := func() string {
		t.Helper()
		p, err := c.Plan(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(p.Changes, "\n")
	}
	if got := changes(); !strings.Contains(got, "set transition-delay to 50ms") {
		t.Errorf("changes %q", got)
	}
	for _, name := range []string{"transition-delay", "crmd-transition-delay"} {
		tool(t, path, "crm_attribute", "-t", "crm_config", "-n", name, "-v", "0s")
		if got := changes(); strings.Contains(got, "transition-delay") {
			t.Errorf("with %s: changes %q", name, got)
		}
		tool(t, path, "crm_attribute", "-t", "crm_config", "-n", name, "-D")
	}
	tool(t, path, "cibadmin", "-D", "--xpath", "//cluster_property_set")
	if got := changes(); !strings.Contains(got, "transition-delay") {
		t.Errorf("without any property: changes %q", got)
	}
}

func TestPlanRefusesWhatIsNotItsOwn(t *testing.T) {
	c, path := onFile(t, "empty.xml")
	tool(t, path, "cibadmin", "-C", "-o", "resources", "-X", `<primitive id="vip" class="ocf" provider="heartbeat" type="Dummy"/>`)
	_, err := c.Plan(t.Context(), pacemaker.Description{Addresses: prefixes(t, "192.0.2.10/24"), Agent: "ocf:heartbeat:Dummy"})
	if conflict, ok := errors.AsType[*lb.ConflictError](err); !ok || conflict.ID != "resource/vip" {
		t.Errorf("%v", err)
	}
}

func TestPlanWarns(t *testing.T) {
	c, path := onFile(t, "empty.xml")
	d := pacemaker.Description{Addresses: prefixes(t, "192.0.2.10/24"), Agent: "ocf:heartbeat:Dummy", Prefer: []string{"n9"}}
	for _, want := range []string{"n9 is not in the cluster", "NO FENCING"} {
		p, err := c.Plan(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(p.Warnings, "\n"); !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
		tool(t, path, "cibadmin", "-D", "--xpath", "//primitive[@id='fence']")
	}
}

func TestDescriptionsThatAreRefused(t *testing.T) {
	sound := func() pacemaker.Description {
		return pacemaker.Description{Addresses: prefixes(t, "192.0.2.10/24")}
	}
	for field, change := range map[string]func(*pacemaker.Description){
		"name":                func(d *pacemaker.Description) { d.Name = `x" y="` },
		"agent":               func(d *pacemaker.Description) { d.Agent = "systemd:haproxy" },
		"topology":            func(d *pacemaker.Description) { d.Topology = "ring" },
		"ip":                  func(d *pacemaker.Description) { d.Addresses = append(d.Addresses, d.Addresses...) },
		"prefer":              func(d *pacemaker.Description) { d.Prefer = []string{"-n"} },
		"parameters":          func(d *pacemaker.Description) { d.Parameters = map[string]string{"a b": ""} },
		"monitor":             func(d *pacemaker.Description) { d.Monitor = -1 },
		"deep-monitor":        func(d *pacemaker.Description) { d.Monitor, d.DeepMonitor = time.Second, time.Second },
		"stickiness":          func(d *pacemaker.Description) { d.Stickiness = new(-1) },
		"migration-threshold": func(d *pacemaker.Description) { d.Threshold = new(1000001) },
		"failure-timeout":     func(d *pacemaker.Description) { d.FailureTimeout = new(time.Millisecond) },
	} {
		d := sound()
		change(&d)
		_, err := d.Complete()
		if invalid, ok := errors.AsType[*lb.InvalidError](err); !ok || invalid.Fields[0].Path != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	if d, err := sound().Complete(); err != nil || d.Topology != pacemaker.Clone || *d.Stickiness != 100 {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestPredictnActions(t *testing.T) {
	for name, tc := range map[string]struct {
		a    cluster.Action
		want []string
	}{
		"standby":           {cluster.Action{Kind: cluster.Standby, Node: "n2"}, []string{"will stop haproxy on n2", "will move vip from n2 to"}},
		"online":            {cluster.Action{Kind: cluster.Online, Node: "n2"}, nil},
		"move":              {cluster.Action{Kind: cluster.Move, Node: "n3"}, []string{"will move vip from n2 to n3"}},
		"move by name":      {cluster.Action{Kind: cluster.Move, Node: "n1", Resource: "vip"}, []string{"will move vip from n2 to n1"}},
		"maintenance":       {cluster.Action{Kind: cluster.StartMaintenance}, nil},
		"of a node":         {cluster.Action{Kind: cluster.StartMaintenance, Node: "n1"}, nil},
		"of a resource":     {cluster.Action{Kind: cluster.StartMaintenance, Resource: "vip"}, nil},
		"end of it":         {cluster.Action{Kind: cluster.EndMaintenance}, nil},
		"stop":              {cluster.Action{Kind: cluster.Stop, Resource: "haproxy-clone"}, []string{"will stop haproxy on n1, n2, n3", "will stop vip on n2"}},
		"start":             {cluster.Action{Kind: cluster.Start, Resource: "vip"}, nil},
		"cleanup":           {cluster.Action{Kind: cluster.Cleanup}, nil},
		"cleanup elsewhere": {cluster.Action{Kind: cluster.Cleanup, Node: "n3", Resource: "haproxy-clone"}, nil},
	} {
		c, path := onFile(t, "failed.xml")
		before, _ := os.ReadFile(path)
		seen, err := c.Predict(t.Context(), tc.a)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		text := strings.Join(seen.Text, "\n")
		for _, w := range tc.want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %q is not in %q", name, w, text)
			}
		}
		if tc.want == nil && (strings.Contains(text, "vip") || strings.Contains(text, "stop")) {
			t.Errorf("%s: %q", name, text)
		}
		if after, _ := os.ReadFile(path); string(after) != string(before) {
			t.Errorf("%s: the simulation has changed the CIB", name)
		}
		if len(seen.After.Nodes) != 3 {
			t.Errorf("%s: after it %+v", name, seen.After)
		}
	}
}

func TestActionsThatCannotBe(t *testing.T) {
	c, path := onFile(t, "failed.xml")
	for _, a := range []cluster.Action{{Kind: cluster.Standby, Node: "n9"}, {Kind: cluster.Cleanup, Resource: "nothing"}} {
		_, err := c.Predict(t.Context(), a)
		_, errDo := c.Do(t.Context(), a)
		if !errors.As(err, new(*lb.NotFoundError)) || !errors.As(errDo, new(*lb.NotFoundError)) {
			t.Errorf("%+v: %v, %v", a, err, errDo)
		}
	}
	if _, err := c.Predict(t.Context(), cluster.Action{Kind: cluster.Fence, Node: "n2"}); !errors.As(err, new(*lb.ConflictError)) {
		t.Errorf("fencing without a device: %v", err)
	}
	tool(t, path, "crm_attribute", "-N", "n3", "-n", "standby", "-v", "on")
	for _, simulate := range []bool{true, false} {
		a := cluster.Action{Kind: cluster.Move, Node: "n3"}
		var err error
		if simulate {
			_, err = c.Predict(t.Context(), a)
		} else {
			_, err = c.Do(t.Context(), a)
		}
		if !errors.As(err, new(*lb.ConflictError)) {
			t.Errorf("moving to a node in standby: %v", err)
		}
	}
	if data, _ := os.ReadFile(path); strings.Contains(string(data), "cli-prefer") {
		t.Error("a constraint is left")
	}
}

// A move that Pacemaker would take back is refused before anything moves.
func TestMovesThatWouldNotLast(t *testing.T) {
	c, path := onFile(t, "failed.xml")
	move := cluster.Action{Kind: cluster.Move, Node: "n3"}
	if _, err := c.Predict(t.Context(), move); err != nil {
		t.Fatal(err)
	}
	tool(t, path, "crm_resource", "-r", "vip", "--meta", "-p", "resource-stickiness", "-v", "0")
	tool(t, path, "cibadmin", "-C", "-o", "constraints", "-X", `<rsc_location id="vip-home" rsc="vip" node="n2" score="50"/>`)
	if _, err := c.Predict(t.Context(), move); !errors.As(err, new(*lb.ConflictError)) || !strings.Contains(err.Error(), "would move there and back again") {
		t.Errorf("foretold: %v", err)
	}
	if _, err := c.Do(t.Context(), move); !errors.As(err, new(*lb.ConflictError)) {
		t.Errorf("done: %v", err)
	}
	if data, _ := os.ReadFile(path); strings.Contains(string(data), "cli-prefer") {
		t.Error("it has begun")
	}
}

// A prediction that takes too long says how long that was, and how large the cluster is.
// The status does not claim that nothing is left to do.
func TestSchedulerThatIsLate(t *testing.T) {
	_, path := onFile(t, "failed.xml")
	scripts := map[string]string{"crm_simulate": `case "$*" in *-R*) exit 124;; esac; exec sleep 60`}
	for _, tool := range []string{"cibadmin", "crm_mon", "crm_node", "crm_attribute"} {
		scripts[tool] = "exec /usr/sbin/" + tool + ` "$@"`
	}
	c := pacemaker.New(pacemaker.Config{File: path, Tools: tools(t, scripts), Timeout: 2 * time.Second})
	v, err := c.Now(t.Context())
	if err != nil || !slices.ContainsFunc(v.Reasons, func(r string) bool { return strings.Contains(r, "scheduler did not answer in time") }) {
		t.Errorf("%q, %v", v.Reasons, err)
	}
	_, err = c.Predict(t.Context(), cluster.Action{Kind: cluster.Standby, Node: "n2"})
	if !cluster.IsKind(err, cluster.KindTimedOut) || !strings.Contains(err.Error(), "killed after 2.06s; the cluster has 2 resources on 3 nodes") {
		t.Error(err)
	}
}

// A move to the node that has the address has nothing to do, and no constraint is left.
func TestMoveToWhereItIs(t *testing.T) {
	c, path := onFile(t, "failed.xml")
	before, _ := os.ReadFile(path)
	for _, a := range []cluster.Action{{Kind: cluster.Move, Node: "n2"}, {Kind: cluster.Move, Node: "n2", Resource: "vip", Wait: time.Second}} {
		seen, err := c.Predict(t.Context(), a)
		if err != nil || len(seen.Text) == 0 || seen.Text[0] != "vip is already on n2" {
			t.Errorf("%q, %v", seen.Text, err)
		}
		if v, err := c.Do(t.Context(), a); err != nil || v.FloatingIPs[0].Node != "n2" {
			t.Errorf("%+v, %v", v.FloatingIPs, err)
		}
	}
	if after, _ := os.ReadFile(path); string(after) != string(before) {
		t.Error("the CIB has changed")
	}
}

// A move takes its own constraint away, and leaves what operators have forbidden.
func TestMoveLeavesBansAlone(t *testing.T) {
	c, path := onFile(t, "failed.xml")
	tool(t, path, "crm_resource", "--ban", "-r", "vip", "-N", "n3")
	// In a file nothing ever settles.
	if _, err := c.Do(t.Context(), cluster.Action{Kind: cluster.Move, Node: "n1", Wait: time.Second}); !cluster.IsKind(err, cluster.KindTimedOut) {
		t.Error(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(data); strings.Contains(text, "cli-prefer") || !strings.Contains(text, "cli-ban-vip-on-n3") {
		t.Errorf("the constraint of the move is left, or the ban is gone:\n%s", text[strings.Index(text, "<constraints>"):strings.Index(text, "</constraints>")])
	}
}

// An action of several steps is not left half-way by a caller who goes, as a
// browser does whose page is closed.
func TestActionsThatWereBegunAreCarriedOut(t *testing.T) {
	_, path := onFile(t, "failed.xml")
	tool(t, path, "crm_attribute", "-N", "n2", "-n", "standby", "-v", "on")
	scripts := map[string]string{
		"crm_attribute": `[ "$CIB_file" != "` + path + `" ] || echo >>"$(dirname "$0")/steps"; exec /usr/sbin/crm_attribute "$@"`,
		"cibadmin":      `case "$*" in *--patch*) echo >>"$(dirname "$0")/steps"; sleep 0.1 ;; esac; exec /usr/sbin/cibadmin "$@"`,
	}
	for _, tool := range []string{"crm_mon", "crm_node", "crm_diff"} {
		scripts[tool] = "exec /usr/sbin/" + tool + ` "$@"`
	}
	dir := tools(t, scripts)
	steps := func() int {
		data, _ := os.ReadFile(filepath.Join(dir, "steps"))
		return len(data)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := pacemaker.New(pacemaker.Config{File: path, Tools: dir}).Do(ctx, cluster.Action{Kind: cluster.Online, Node: "n2"})
		ended <- err
	}()
	testkit.Eventually(t, time.Minute, func() error {
		if steps() == 0 {
			return errors.New("not begun")
		}
		return nil
	})
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if n := steps(); n != 2 { // the configuration, and standby until the next start
		t.Errorf("%d of 2 steps were done", n)
	}
}

func TestSecretsAreMasked(t *testing.T) {
	c, _ := onFile(t, "empty.xml")
	cib, err := c.Query(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	masked := string(cib.Masked())
	for _, secret := range []string{"correct horse", "battery staple", "-----BEGIN", "c0ffee", "sesame"} {
		if strings.Contains(masked, secret) {
			t.Errorf("%q is shown", secret)
		}
	}
	for _, rest := range []string{`value="admin"`, `value="n1 n2 n3"`, `value="rw,noatime"`, `value="********"`, `uname="n3"`} {
		if !strings.Contains(masked, rest) {
			t.Errorf("%s is gone", rest)
		}
	}
	if _, err := pacemaker.ParseCIB([]byte(masked)); err != nil {
		t.Error(err)
	}
}

func TestInvalidConfigurationIsNamed(t *testing.T) {
	c, path := onFile(t, "empty.xml")
	data, _ := os.ReadFile(path)
	broken := strings.Replace(string(data), "<constraints/>", `<constraints><rsc_order id="o" first="x" then="y" kind="Perhaps"/></constraints>`, 1)
	if err := os.WriteFile(path, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := c.Plan(t.Context(), pacemaker.Description{Addresses: prefixes(t, "192.0.2.10/24"), Agent: "ocf:heartbeat:Dummy"})
	if !cluster.IsKind(err, cluster.KindInvalid) || strings.Contains(err.Error(), "correct horse") {
		t.Errorf("%v", err)
	}
}
