package pacemaker_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/config"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/pacemaker"
)

// onCIB is the real tools on a CIB, with its foresight.
func onCIB(tb testing.TB, cib string) (*pacemaker.Foresight, *pacemaker.Watcher) {
	tb.Helper()
	testkit.Needs(tb, "Pacemaker")
	path := filepath.Join(tb.TempDir(), "cib.xml")
	if err := os.WriteFile(path, []byte(cib), 0o600); err != nil {
		tb.Fatal(err)
	}
	c := pacemaker.New(pacemaker.Config{File: path})
	if !c.Installed() {
		testkit.Missing(tb, "Pacemaker's tools are not installed; make setup installs them")
	}
	w := pacemaker.NewWatcher(c)
	return pacemaker.NewForesight(c, w, time.Now), w
}

// threeNodes is a CIB of three nodes with a fence device that runs, an address, and a clone.
// extra is further XML of resources and constraints.
func threeNodes(resources, constraints string) string {
	var states strings.Builder
	for _, n := range []string{"1", "2", "3"} {
		states.WriteString(`<node_state id="` + n + `" uname="n` + n + `" in_ccm="true" crmd="online" join="member" expected="member"><lrm id="` + n + `"><lrm_resources/></lrm></node_state>`)
	}
	return `<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="7" num_updates="1" admin_epoch="0" have-quorum="1" dc-uuid="1"><configuration>
<crm_config><cluster_property_set id="o"><nvpair id="o1" name="stonith-enabled" value="true"/></cluster_property_set></crm_config>
<nodes><node id="1" uname="n1"/><node id="2" uname="n2"/><node id="3" uname="n3"/></nodes>
<resources><primitive id="fence" class="stonith" type="fence_dummy"><instance_attributes id="fp"><nvpair id="fpp" name="passwd" value="canary-in-clear"/></instance_attributes></primitive>
<primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"><instance_attributes id="vp"><nvpair id="vpi" name="ip" value="192.0.2.9"/></instance_attributes></primitive>
<clone id="web-clone"><primitive id="web" class="ocf" provider="pacemaker" type="Dummy"/></clone>` + resources + `</resources>
<constraints>` + constraints + `</constraints></configuration><status>` + states.String() + `</status></cib>`
}

func foreseen(t *testing.T, f *pacemaker.Foresight, q config.Question) config.Foreseen {
	t.Helper()
	out, err := f.Foresee(t.Context(), q)
	if out.Warnings == nil || out.Changes == nil || out.Objects == nil || out.Predicted.Supposed == nil || out.Predicted.Actions == nil {
		t.Errorf("a list is none, which is null as JSON: %+v", out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What the scheduler decides is shown with its order, and without secrets, which its graph
// has as XML attributes.
func TestForesightShowsDecisionsAndTheirOrder(t *testing.T) {
	f, _ := onCIB(t, threeNodes("", `<rsc_order id="order" first="web-clone" then="vip"/>`))
	p := foreseen(t, f, config.Question{}).Predicted
	if !slices.ContainsFunc(p.Actions, func(c cluster.Consequence) bool { return c.Action == "start" && c.Resource == "vip" }) {
		t.Errorf("decisions: %+v", p.Actions)
	}
	order := map[string]int{}
	for _, s := range p.Graph.Steps {
		if s.Kind == cluster.StepOperation && s.Operation == "start" {
			order[s.Resource] = max(order[s.Resource], s.Order)
		}
		if s.Resource == "fence" && s.Operation == "start" && s.Params["passwd"] != "********" {
			t.Errorf("the parameters of the fence device: %v", s.Params)
		}
		if s.Resource == "vip" && s.Operation == "start" && s.Params["ip"] != "192.0.2.9" {
			t.Errorf("the parameters of the address: %v", s.Params)
		}
	}
	if order["web"] == 0 || order["vip"] <= order["web"] {
		t.Errorf("the orders of starts: %v", order)
	}
	if p.Graph.Depth < 3 || p.Graph.Width < 3 { // probe, start web, start vip; on three nodes
		t.Errorf("depth %d, width %d", p.Graph.Depth, p.Graph.Width)
	}
	if !slices.ContainsFunc(p.Scores, func(s cluster.Score) bool { return s.Resource == "vip" && s.Node == "n3" }) {
		t.Errorf("scores: %+v", p.Scores)
	}
	text, err := json.Marshal(p)
	if err != nil || strings.Contains(string(text), "canary-in-clear") {
		t.Errorf("a secret leaves: %v", err)
	}
}

func TestForesightOfEvents(t *testing.T) {
	f, _ := onCIB(t, threeNodes(`<primitive id="bound" class="ocf" provider="pacemaker" type="Dummy"/>`, `<rsc_ticket id="t" rsc="bound" ticket="site"/>`))
	code, no := 7, false
	for name, tc := range map[string]struct {
		inject cluster.Injection
		want   func(p cluster.Prediction) bool
		said   string
	}{
		"a node fails": {cluster.Injection{Node: "n2", State: cluster.NodeUnclean}, func(p cluster.Prediction) bool {
			return slices.ContainsFunc(p.Graph.Steps, func(s cluster.Step) bool { return s.Kind == cluster.StepFence && s.Node == "n2" })
		}, "node n2 fails"},
		"a node leaves": {cluster.Injection{Node: "n2", State: cluster.NodeOffline}, func(p cluster.Prediction) bool {
			return p.After.Nodes[1].State == "offline" && !slices.ContainsFunc(p.Actions, func(c cluster.Consequence) bool { return c.Resource == "" })
		}, "node n2 leaves the cluster"},
		"an operation's result": {cluster.Injection{Resource: "vip", Operation: "monitor", Node: "n1", Code: new(int)}, func(p cluster.Prediction) bool {
			return len(p.After.Resources) > 0
		}, "monitor of vip on n1 ends with 0"},
		"a failed operation": {cluster.Injection{Resource: "vip", Operation: "start", Node: "n1", Code: &code}, func(p cluster.Prediction) bool {
			return slices.ContainsFunc(p.After.Resources, func(r cluster.Resource) bool { return r.ID == "vip" && !slices.Contains(r.Nodes(), "n1") })
		}, "start of vip on n1 ends with 7"},
		"a ticket": {cluster.Injection{Ticket: "site", Action: "grant"}, func(p cluster.Prediction) bool {
			return slices.ContainsFunc(p.Actions, func(c cluster.Consequence) bool { return c.Action == "start" && c.Resource == "bound" })
		}, "grant of ticket site"},
		"quorum": {cluster.Injection{Quorum: &no}, func(p cluster.Prediction) bool {
			return !slices.ContainsFunc(p.Actions, func(c cluster.Consequence) bool { return c.Action == "start" })
		}, "this partition loses quorum"},
	} {
		p := foreseen(t, f, config.Question{Scenario: cluster.Scenario{Inject: []cluster.Injection{tc.inject}}}).Predicted
		if !tc.want(p) || !slices.Equal(p.Supposed, []string{tc.said}) {
			t.Errorf("%s: supposed %q: %+v, steps %+v", name, p.Supposed, p.Actions, p.Graph.Steps)
		}
	}
	for name, i := range map[string]cluster.Injection{
		"an unknown node":     {Node: "n9", State: cluster.NodeUnclean},
		"an unknown resource": {Resource: "none", Operation: "start", Node: "n1", Code: &code},
	} {
		if _, err := f.Foresee(t.Context(), config.Question{Scenario: cluster.Scenario{Inject: []cluster.Injection{i}}}); !errors.As(err, new(*lb.NotFoundError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Rules depend on the time.
func TestForesightAtAnotherTime(t *testing.T) {
	const rule = `<rsc_location id="l" rsc="vip"><rule id="r" score="-INFINITY"><date_expression id="d" operation="gt" start="2030-01-01"/></rule></rsc_location>`
	f, _ := onCIB(t, threeNodes("", rule))
	runs := func(at time.Time) bool {
		p := foreseen(t, f, config.Question{Scenario: cluster.Scenario{At: at}}).Predicted
		i := slices.IndexFunc(p.After.Resources, func(r cluster.Resource) bool { return r.ID == "vip" })
		return len(p.After.Resources[i].Places) > 0
	}
	if !runs(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) || runs(time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Error("the rule does not follow the time")
	}
}

func TestForesightOfEdits(t *testing.T) {
	f, _ := onCIB(t, threeNodes("", ""))
	out := foreseen(t, f, config.Question{Edits: []config.Edit{
		{Op: config.Put, Kind: config.Primitives, ID: "extra", IsXML: true, Body: []byte(`<primitive class="ocf" provider="pacemaker" type="Dummy"/>`)},
		{Op: config.Patch, Kind: config.Primitives, ID: "fence", Body: []byte(`{"params":{"passwd":"another-canary"}}`)},
	}})
	if len(out.Objects) != 2 || out.Objects[0].Object != "primitives/extra" || out.Objects[0].Before != "" || !out.Objects[1].Secret {
		t.Errorf("objects: %+v", out.Objects)
	}
	if !slices.Contains(out.Predicted.Text, "will start extra on n1") && !slices.ContainsFunc(out.Predicted.Text, func(s string) bool { return strings.HasPrefix(s, "will start extra") }) {
		t.Errorf("foretold: %q", out.Predicted.Text)
	}
	text, err := json.Marshal(out)
	if err != nil || strings.Contains(string(text), "canary") {
		t.Errorf("a secret leaves: %s", text)
	}
	if _, err := f.Foresee(t.Context(), config.Question{CIB: []byte("<cib")}); !errors.As(err, new(*lb.InvalidError)) {
		t.Errorf("a CIB that is none: %v", err)
	}
	out = foreseen(t, f, config.Question{CIB: []byte(strings.ReplaceAll(threeNodes("", ""), "vip", "other"))})
	if !slices.ContainsFunc(out.Predicted.Actions, func(c cluster.Consequence) bool { return c.Resource == "other" }) {
		t.Errorf("another CIB: %+v", out.Predicted.Actions)
	}
}

// following is a foresight that runs beside its watcher until the test ends.
func following(t *testing.T, cib string) *pacemaker.Foresight {
	t.Helper()
	f, w := onCIB(t, cib)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	go func() { ended <- w.Run(ctx) }()
	go func() { ended <- f.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	return f
}

// until waits for a condition.
func until(t *testing.T, patience time.Duration, ok func() bool) {
	t.Helper()
	testkit.Eventually(t, patience, func() error {
		if !ok() {
			return errors.New("it is not so yet")
		}
		return nil
	})
}

func complete(t *testing.T, f *pacemaker.Foresight) cluster.Losses {
	t.Helper()
	var l cluster.Losses
	until(t, time.Minute, func() bool {
		l = f.Losses()
		return !l.Computing && len(l.List) > 0
	})
	return l
}

func TestWhichNodeMayBeLost(t *testing.T) {
	t.Parallel()
	f := following(t, threeNodes(`<primitive id="pinned" class="ocf" provider="pacemaker" type="Dummy"/>`,
		`<rsc_location id="p1" rsc="pinned" node="n1" score="INFINITY"/><rsc_location id="p2" rsc="pinned" node="n2" score="-INFINITY"/><rsc_location id="p3" rsc="pinned" node="n3" score="-INFINITY"/>`))
	l := complete(t, f)
	survives := map[string]bool{}
	for _, loss := range l.List {
		survives[strings.Join(loss.Nodes, "+")] = loss.Survives
		if !loss.Known || loss.Problem != "" {
			t.Errorf("%+v", loss)
		}
		if strings.Join(loss.Nodes, "+") == "n1" && !slices.Equal(loss.Lost, []string{"pinned"}) {
			t.Errorf("%+v", loss)
		}
	}
	want := map[string]bool{"n1": false, "n2": true, "n3": true, "n1+n2": false, "n1+n3": false, "n2+n3": false}
	for name, is := range want {
		if got, known := survives[name]; !known || got != is {
			t.Errorf("%s: survived %v, known %v", name, got, known)
		}
	}
	if !slices.Contains(l.Text, "any one node: no") || !slices.Contains(l.Text, "n1: pinned runs nowhere") {
		t.Errorf("%q", l.Text)
	}
	// What is left of three nodes after the loss of two has no quorum, and runs nothing.
	if !slices.ContainsFunc(l.Text, func(s string) bool {
		return strings.HasPrefix(s, "n2 and n3 together: the address 192.0.2.9 is lost") && strings.HasSuffix(s, "what is left has no quorum")
	}) {
		t.Errorf("%q", l.Text)
	}
	if _, err := f.Lose(t.Context(), []string{"n9"}); !errors.As(err, new(*lb.NotFoundError)) {
		t.Errorf("an unknown node: %v", err)
	}
	if loss, err := f.Lose(t.Context(), []string{"n3", "n2", "n2"}); err != nil || loss.Survives || !slices.Equal(loss.Nodes, []string{"n2", "n3"}) {
		t.Errorf("%v %+v", err, loss)
	}
}

// Where a simulation takes too long, the others are not tried, and each says why it is not
// known.
func TestLossesOfAClusterThatIsTooLarge(t *testing.T) {
	t.Parallel()
	testkit.Needs(t, "Pacemaker")
	dir := t.TempDir()
	for tool, script := range map[string]string{
		"crm_simulate": `echo >> ` + dir + `/calls; case "$*" in *-R*) exec /usr/sbin/crm_simulate "$@";; esac; exit 124`,
		"cibadmin":     `exec /usr/sbin/cibadmin "$@"`, "crm_mon": `exec /usr/sbin/crm_mon "$@"`, "crm_node": `exec /usr/sbin/crm_node "$@"`, "crm_resource": `exec /usr/sbin/crm_resource "$@"`,
	} {
		if err := testkit.WriteProgram(filepath.Join(dir, tool), []byte("#!/bin/sh\n"+script+"\n")); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "cib.xml")
	if err := os.WriteFile(path, []byte(threeNodes("", "")), 0o600); err != nil {
		t.Fatal(err)
	}
	c := pacemaker.New(pacemaker.Config{File: path, Tools: dir})
	w := pacemaker.NewWatcher(c)
	f := pacemaker.NewForesight(c, w, time.Now)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { _ = w.Run(ctx) }()
	go func() { _ = f.Run(ctx) }()
	l := complete(t, f)
	for _, loss := range l.List {
		if loss.Known || !strings.Contains(loss.Problem, "no answer in time") {
			t.Errorf("%+v", loss)
		}
	}
	if !slices.Contains(l.Text, "any one node: not known") {
		t.Errorf("%q", l.Text)
	}
}

// Of a status that changes alone, nothing is computed again; of a configuration, all is.
func TestLossesFollowTheConfiguration(t *testing.T) {
	t.Parallel()
	testkit.Needs(t, "Pacemaker")
	path := filepath.Join(t.TempDir(), "cib.xml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	cib := threeNodes("", "")
	write(cib)
	c := pacemaker.New(pacemaker.Config{File: path})
	if !c.Installed() {
		testkit.Missing(t, "Pacemaker's tools are not installed; make setup installs them")
	}
	w := pacemaker.NewWatcher(c)
	f := pacemaker.NewForesight(c, w, time.Now)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { _ = w.Run(ctx) }()
	go func() { _ = f.Run(ctx) }()
	first := complete(t, f)
	write(strings.Replace(cib, `num_updates="1"`, `num_updates="2"`, 1))
	until(t, 20*time.Second, func() bool { return w.View().Epoch.Updates == 2 })
	if again := f.Losses(); again.Computing || again.Epoch != first.Epoch || !again.Time.Equal(first.Time) {
		t.Errorf("after a change of the status: %+v", again)
	}
	write(strings.Replace(cib, `epoch="7"`, `epoch="8"`, 1))
	until(t, time.Minute, func() bool { l := f.Losses(); return l.Epoch.Epoch == 8 && !l.Computing })
	if again := f.Losses(); again.Time.Equal(first.Time) {
		t.Errorf("after a change of the configuration: %+v", again)
	}
}
