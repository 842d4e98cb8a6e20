package pacemaker_test

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/config"
	"thalassa/internal/testkit"
	"thalassa/pacemaker"
)

// corpus reads the CIBs of Pacemaker's scheduler tests, and what its scheduler makes of each.
// step says how many of them are one that is tested: all if somebody has named the archive, which
// takes minutes, else every eighth.
func corpus(t *testing.T) (cibs, summaries map[string]string, step int) {
	t.Helper()
	cibs, summaries, step = map[string]string{}, map[string]string{}, 8
	if testkit.SchedulerCIBs(t, func(file string, data []byte) {
		name := strings.TrimSuffix(file, filepath.Ext(file))
		switch filepath.Ext(file) {
		case ".xml":
			cibs[name] = string(data)
		case ".summary":
			summaries[name] = string(data)
		}
	}) {
		step = 1
	}
	return cibs, summaries, step
}

var (
	secretPair = regexp.MustCompile(`name="[^"]*passw[^"]*"[^>]* value="([^"]{4,})"`)
	actionLine = regexp.MustCompile(`(?m)^  \* (Fence|Start|Stop|Recover|Restart|Move|Migrate|Promote|Demote)`)
)

// TestSchedulerCases runs status, plan, move and cleanup on each CIB of Pacemaker's own
// scheduler tests: on all where THALASSA_SCHEDULER_CIBS names them, which takes minutes,
// else on every eighth, and on those about guests.
func TestSchedulerCases(t *testing.T) {
	testkit.Needs(t, "Pacemaker")
	cibs, summaries, step := corpus(t)
	if !pacemaker.New(pacemaker.Config{}).Installed() {
		testkit.Missing(t, "Pacemaker's tools are not installed; make setup installs them")
	}
	for i, name := range slices.Sorted(maps.Keys(cibs)) {
		if i%step != 0 && !strings.HasPrefix(name, "guest-") { // where nodes have two names
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			schedulerCase(t, cibs[name], summaries[name])
		})
	}
}

func schedulerCase(t *testing.T, cib, summary string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cib.xml")
	if err := os.WriteFile(path, []byte(cib), 0o600); err != nil {
		t.Fatal(err)
	}
	c := pacemaker.New(pacemaker.Config{File: path})
	v, err := c.Now(t.Context())
	if err != nil {
		t.Logf("status: %v", err)
		noSecrets(t, cib, err)
		return
	}
	sameAsMonitor(t, path, v)
	before, _, _ := strings.Cut(summary, "Transition Summary:")
	_, decided, _ := strings.Cut(summary, "Transition Summary:")
	decided, _, _ = strings.Cut(decided, "Executing Cluster Transition:")
	if v.State == cluster.StateOK {
		if action := actionLine.FindString(decided); action != "" {
			t.Errorf("the state is ok, and the scheduler decides: %s", strings.TrimSpace(decided))
		}
		for _, word := range []string{"FAILED", "(blocked)", "unmanaged", "UNCLEAN", "OFFLINE", "maintenance"} {
			if strings.Contains(before, word) {
				t.Errorf("the state is ok, and the summary says %s: %s", word, before)
			}
		}
	}
	// Releases of Pacemaker differ in which old failures they show.
	if isHealthy(before, decided) && len(v.Failures) == 0 && slices.Contains([]string{cluster.StateErrors, cluster.StateNoQuorum, cluster.StateChanging}, v.State) {
		t.Errorf("the scheduler has nothing to do and everything runs, and the state is %s: %q", v.State, v.Reasons)
	}
	predicted, err := pacemaker.NewForesight(c, nil, time.Now).Foresee(t.Context(), config.Question{CIB: []byte(cib)})
	if err != nil {
		t.Errorf("simulating: %v", err)
	}
	compareDecisions(t, predicted.Predicted, decided, path)
	said := []any{v, predicted}
	note := func(result any, err error) { said = append(said, result, err) }
	note(c.Plan(t.Context(), pacemaker.Description{Name: "edge", Agent: "ocf:heartbeat:Dummy", Addresses: prefixes(t, "192.0.2.250/24")}))
	note(c.Predict(t.Context(), cluster.Action{Kind: cluster.Cleanup}))
	if len(v.Nodes) > 0 && len(v.FloatingIPs) > 0 {
		note(c.Predict(t.Context(), cluster.Action{Kind: cluster.Move, Node: v.Nodes[0].Name, Resource: v.FloatingIPs[0].Resource}))
	}
	noSecrets(t, cib, said...)
}

// shownXML is any element of what crm_mon shows, without a model of what is in what.
type shownXML struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Elements []shownXML `xml:",any"`
}

func (e shownXML) attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// sameAsMonitor checks that a status has the nodes of crm_mon, which of them are up, and what
// runs on which.
func sameAsMonitor(t *testing.T, path string, v cluster.Status) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/sbin/crm_mon", "--one-shot", "--inactive", "--output-as=xml")
	cmd.Env = []string{"CIB_file=" + path, "LC_ALL=C"}
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("crm_mon: %v: %.300s", err, out)
		return
	}
	var root shownXML
	if err := xml.Unmarshal(out, &root); err != nil {
		t.Fatal(err)
	}
	instance := regexp.MustCompile(`:\d+$`)
	want, got := map[string]bool{}, map[string]bool{}
	var walk func(e shownXML, in string)
	walk = func(e shownXML, in string) {
		switch {
		case e.XMLName.Local == "node" && in == "nodes":
			want["node "+e.attr("name")+" up "+e.attr("online")] = true
		case e.XMLName.Local == "resource":
			for _, n := range e.Elements {
				if n.XMLName.Local == "node" {
					want[instance.ReplaceAllString(e.attr("id"), "")+" on "+n.attr("name")] = true
				}
			}
		}
		for _, child := range e.Elements {
			walk(child, e.XMLName.Local)
		}
	}
	walk(root, "")
	for _, n := range v.Nodes {
		up := n.State != "offline" && !(n.State == "unclean" && want["node "+n.Name+" up false"])
		got[fmt.Sprintf("node %s up %t", n.Name, up)] = true
	}
	for _, r := range v.Resources {
		for _, node := range r.Nodes() {
			got[r.ID+" on "+node] = true
		}
	}
	if !maps.Equal(want, got) {
		t.Errorf("crm_mon shows %q, the status %q", slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
	}
}

// decisionLine is a decision in a summary: "  * Start   rsc1:0   ( node1 )".
var decisionLine = regexp.MustCompile(`(?m)^  \* (Start|Stop|Recover|Restart|Reload|Move|Migrate|Promote|Demote) +(\S+) `)

// fenceLine is a decision about a node: "  * Fence (reboot) node1 'why'".
var fenceLine = regexp.MustCompile(`(?m)^  \* Fence \((\w+)\) (\S+)`)

// decisions counts those in a summary of crm_simulate.
func decisions(summary string) map[string]int {
	found := map[string]int{}
	instance := regexp.MustCompile(`:\d+$`)
	for _, m := range decisionLine.FindAllStringSubmatch(summary, -1) {
		found[strings.ToLower(m[1])+" "+instance.ReplaceAllString(m[2], "")]++
	}
	for _, m := range fenceLine.FindAllStringSubmatch(summary, -1) {
		found["fence "+m[2]]++
	}
	return found
}

// compareDecisions checks that the simulator decides what is in the summary of a CIB, or what the
// installed Pacemaker decides where that is of another opinion than the release of the summary.
func compareDecisions(t *testing.T, p cluster.Prediction, decided, path string) {
	t.Helper()
	want, got := decisions(decided), map[string]int{}
	unlisted := map[string]bool{}
	for _, c := range p.Actions {
		action := strings.TrimPrefix(c.Action, "not be able to ")
		switch {
		case c.Resource == "" && strings.HasPrefix(c.Action, "Fence"):
			got["fence "+c.Node]++
		case c.Resource != "":
			got[action+" "+c.Resource]++
			unlisted[action+" "+c.Resource] = action == "stop" && c.Reason == ""
		}
	}
	for what := range maps.Clone(got) {
		if want[what] == 0 && unlisted[what] { // see unlistedStops
			delete(got, what)
		}
	}
	if maps.Equal(want, got) {
		return
	}
	said, err := exec.CommandContext(t.Context(), "crm_simulate", "-S", "-x", path).Output()
	_, now, _ := strings.Cut(string(said), "Transition Summary:")
	now, _, _ = strings.Cut(now, "Executing Cluster Transition:")
	if err != nil || !maps.Equal(decisions(now), got) {
		t.Errorf("the summary has %v, crm_simulate %v, the simulator %v; %v", want, decisions(now), got, err)
		return
	}
	t.Logf("this Pacemaker decides otherwise than that of the summary: %v", got)
}

// isHealthy reports whether everything runs as it should in the summary of a cluster: all
// is well, or stopped on purpose.
func isHealthy(before, decided string) bool {
	unusual := regexp.MustCompile(`(?m)FAILED|blocked|BLOCKED from|unmanaged|UNCLEAN|OFFLINE|maintenance|pending|Failed|Stopped\s*$`)
	return !strings.Contains(decided, "  * ") && !unusual.MatchString(strings.ReplaceAll(before, "0 BLOCKED from", ""))
}

// noSecrets checks that nothing that was said has a password of the CIB.
func noSecrets(t *testing.T, cib string, said ...any) {
	t.Helper()
	for _, s := range said {
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := s.(error); ok {
			text = fmt.Append(text, e)
		}
		for _, m := range secretPair.FindAllStringSubmatch(cib, -1) {
			if strings.Contains(cib, `name="login" value="`+m[1]+`"`) {
				continue // the name of a user, which is no secret, and is the password as well
			}
			if strings.Contains(string(text), `"`+m[1]+`"`) {
				t.Errorf("a password leaves: %s", m[0])
			}
		}
	}
}
