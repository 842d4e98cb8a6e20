package failover_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/failover"
)

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func after(seconds float64) time.Time { return noon.Add(time.Duration(seconds * float64(time.Second))) }

// said is a line of a log some seconds after noon.
func said(seconds float64, daemon, text string) cluster.LogLine {
	return cluster.LogLine{Time: after(seconds), Source: "pacemaker.log", Daemon: daemon, Severity: "notice", Text: text}
}

func done(at time.Time, node, resource, name string, took int) cluster.OperationResult {
	return cluster.OperationResult{Node: node, Resource: resource, Name: name, Time: at, DurationMS: took, Meaning: "ok", Call: int(at.Unix()%1000) + took}
}

// killed is a case in which lb1, the DC, was killed: corosync's token was 3650 ms, fencing took
// 2.5 s, and vip started on lb2 after haproxy of its group, as Pacemaker 2.1.5 and corosync
// 3.1.7 log it.
func killed() failover.Case {
	monitor := done(after(12), "lb2", "haproxy", "monitor", 20)
	monitor.IntervalMS = 2000
	return failover.Case{
		ID: "loss", Before: cluster.Transition{ID: "before", Time: after(-600), DC: "lb1", File: "pe-input-7.bz2"},
		Run: []cluster.Transition{{
			ID: "loss", Time: after(8), DC: "lb2", File: "pe-warn-3.bz2", Tag: "warning", Known: true,
			Decisions: []cluster.Consequence{{Action: "Fence (reboot)", Node: "lb1"}, {Action: "move", Resource: "vip", From: "lb1", Node: "lb2"}},
		}},
		Lost:    []failover.Loss{{Node: "lb1", Transition: "loss"}},
		Results: []cluster.OperationResult{done(after(11), "lb2", "haproxy", "start", 700), done(after(11), "lb2", "vip", "start", 60), monitor},
		After:   after(900),
		Settings: failover.Settings{
			Addresses: []string{"vip"}, HAProxy: []string{"haproxy"}, Nodes: 3,
			Orders: []failover.Order{{ID: "g", First: "haproxy", Then: "vip", Group: true}},
		},
		Totem: failover.Totem{Base: 3000 * time.Millisecond},
		Log: cluster.Logged{Node: "lb2", Missing: []string{"lb1", "lb3"}, Lines: []cluster.LogLine{
			said(3.650, "corosync", "[TOTEM ] A processor failed, forming new configuration: token timed out (3650ms), waiting 4380ms for consensus."),
			said(8.050, "corosync", "[TOTEM ] A new membership (2.2f) was formed. Members left: 1"),
			said(8.060, "pacemaker-controld", "Node lb1 state is now lost | nodeid=1 previous=member source=crm_update_peer_state_iter"),
			said(8.070, "pacemaker-controld", "State transition S_NOT_DC -> S_ELECTION | input=I_ELECTION"),
			said(8.300, "pacemaker-controld", "State transition S_ELECTION -> S_INTEGRATION | input=I_ELECTION_DC"),
			said(8.520, "pacemaker-controld", "State transition S_FINALIZE_JOIN -> S_POLICY_ENGINE | input=I_FINALIZED"),
			said(8.580, "pacemaker-schedulerd", "Calculated transition 0 (with warnings), saving inputs in /var/lib/pacemaker/pengine/pe-warn-3.bz2"),
			said(8.590, "pacemaker-controld", "Requesting fencing (reboot) of node lb1 | action=12 timeout=60000"),
			said(11.090, "pacemaker-controld", "Peer lb1 was terminated (reboot) by lb3 on behalf of pacemaker-controld.77@lb2: OK | event=e"),
			said(11.100, "pacemaker-controld", "Initiating start operation haproxy_start_0 locally on lb2 | action 5"),
			said(11.810, "pacemaker-controld", "Result of start operation for haproxy on lb2: ok | graph action confirmed; call=9"),
			said(11.820, "pacemaker-controld", "Initiating start operation vip_start_0 locally on lb2 | action 7"),
			said(11.890, "pacemaker-controld", "Result of start operation for vip on lb2: ok | graph action confirmed; call=11"),
			said(12.100, "pacemaker-controld", "Result of monitor operation for haproxy on lb2: ok | graph action confirmed; call=12"),
		}},
	}
}

// told is an explanation in lines: phases by their instants after noon, advice by its cost.
func told(e failover.Explanation) string {
	var b strings.Builder
	at := func(i failover.Instant) string {
		s := func(t time.Time) string {
			if t.IsZero() {
				return "?"
			}
			return fmt.Sprintf("%.3f", t.Sub(noon).Seconds())
		}
		if i.Earliest.Equal(i.Latest) {
			return s(i.Earliest)
		}
		return s(i.Earliest) + ".." + s(i.Latest)
	}
	for _, p := range e.Phases {
		fmt.Fprintf(&b, "%s %s %s: %s to %s, %d..%d ms, %d sources, %t\n", p.Name, p.Node, p.Resource, at(p.Begin), at(p.End), p.Took.MinMS, p.Took.MaxMS, len(p.Sources), p.Recorded)
	}
	for _, a := range e.Advice {
		fmt.Fprintf(&b, "%s %d %t\n", a.Rule, a.CostMS, a.AtMost)
	}
	return b.String()
}

func wants(t *testing.T, e failover.Explanation, kind, want string) {
	t.Helper()
	if got := told(e); e.Kind != kind || strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("%s, expected %s:\n%s\nwant\n%s\nnotes %q", e.Kind, kind, got, want, e.Notes)
	}
}

func TestALossWithLogs(t *testing.T) {
	e := failover.Explain(killed())
	wants(t, e, failover.KindLoss, `
detection lb1 : 0.000..0.685 to 3.650, 2964..3650 ms, 1 sources, true
membership lb1 : 3.650 to 8.050, 4400..4400 ms, 2 sources, true
election lb2 : 8.070 to 8.520, 450..450 ms, 3 sources, true
scheduler lb2 : 8.520 to 8.580, 60..60 ms, 2 sources, true
fencing lb1 : 8.590 to 11.090, 2500..2500 ms, 3 sources, true
haproxy lb2 haproxy: 11.100 to 12.100, 1000..1000 ms, 3 sources, true
address lb2 vip: 11.820 to 11.890, 70..70 ms, 3 sources, true
consensus 4380 false
token 3000 false
fencing 2500 false
order 700 false
token_coefficient 650 false
`)
	if e.Total.MinMS != 11_414 || e.Total.MaxMS != 12_100 || e.Summary != "lb1 was lost; started: vip on lb2." || e.LogNode != "lb2" || len(e.Notes) != 0 {
		t.Errorf("%+v, %q, %q", e.Total, e.Summary, e.Notes)
	}
}

// What the cluster has done after its latest transition is known from its status.
func TestALossThatIsTheLatest(t *testing.T) {
	c := killed()
	c.Live, c.After = true, after(13)
	if e := failover.Explain(c); e.Total.MaxMS != 12_100 || len(e.Notes) != 0 {
		t.Errorf("%+v, %q", e.Total, e.Notes)
	}
	c.Results = nil
	if e := failover.Explain(c); !slices.Equal(e.Notes, []string{"These starts were decided, and Pacemaker has no result of them yet: vip on lb2."}) {
		t.Errorf("%q", e.Notes)
	}
}

// Each node writes what it has seen by its own clock. What is about the whole cluster is by the
// DC's, or by one other node's if the DC has no such line; the result of an operation by that of
// its node.
func TestALossWithTheLogsOfAllNodes(t *testing.T) {
	c := killed()
	for i := range c.Log.Lines {
		c.Log.Lines[i].Node = "lb2"
	}
	own := c.Log.Lines
	on := func(node string, l cluster.LogLine) cluster.LogLine { l.Node = node; return l }
	others := []cluster.LogLine{
		on("lb3", said(3.700, "corosync", "[TOTEM ] A processor failed, forming new configuration: token timed out (3650ms), waiting 4380ms for consensus.")),
		on("lb3", said(8.090, "corosync", "[TOTEM ] A new membership (2.2f) was formed. Members left: 1")),
		on("lb3", said(8.100, "pacemaker-controld", "State transition S_NOT_DC -> S_ELECTION | input=I_ELECTION")),
		on("lb3", said(8.560, "pacemaker-controld", "State transition S_PENDING -> S_NOT_DC | input=I_NOT_DC")),
		on("lb3", said(11.130, "pacemaker-controld", "Peer lb1 was terminated (reboot) by lb3 on behalf of pacemaker-controld.77@lb2: OK | event=e")),
	}
	c.Log.Node, c.Log.Missing = "lb3", []string{"lb1"}
	c.Log.Lines, _ = cluster.MergedLines(append(slices.Clone(own), others...), 100)
	e := failover.Explain(c)
	one := killed()
	one.Log.Missing = []string{"lb1"}
	if got, want := told(e), told(failover.Explain(one)); got != want {
		t.Errorf("with the lines of lb3:\n%s\nwithout:\n%s", got, want)
	}
	if e.LogNode != "lb3" || !slices.Equal(e.LogNodes, []string{"lb2", "lb3"}) || !slices.Equal(e.Missing, []string{"lb1"}) {
		t.Errorf("logs of %q, %q without %q", e.LogNode, e.LogNodes, e.Missing)
	}
	for _, p := range e.Phases {
		for _, s := range p.Sources {
			if s.Node != "lb2" && s.Kind == "pacemaker.log" {
				t.Errorf("%s is by %+v", p.Name, s)
			}
		}
	}

	// The log of the DC is missing: the other one tells of the loss.
	c.Log.Lines = others
	e = failover.Explain(c)
	if p := e.Phases[0]; p.Name != failover.PhaseDetection || !p.Recorded || !p.End.Earliest.Equal(after(3.7)) || p.Sources[0].Node != "lb3" {
		t.Errorf("detection by lb3: %+v", p)
	}
}

// An alarm that ended with a membership of all nodes is none of a node that was lost later: the node
// that noticed this may be another one, whose log is not here.
func TestAnEarlierAlarmIsNoDetection(t *testing.T) {
	c := killed()
	c.Log.Lines = slices.DeleteFunc(c.Log.Lines, func(l cluster.LogLine) bool { return strings.Contains(l.Text, "A processor failed") })
	c.Log.Lines = slices.Concat([]cluster.LogLine{
		said(-9, "corosync", "[TOTEM ] A processor failed, forming new configuration: token timed out (3650ms), waiting 4380ms for consensus."),
		said(-8, "corosync", "[TOTEM ] A new membership (1.2e) was formed. Members"),
	}, c.Log.Lines)
	for _, p := range failover.Explain(c).Phases {
		if (p.Name == failover.PhaseDetection || p.Name == failover.PhaseMembership) && (p.Recorded || p.End.Known() && p.End.Latest.Before(said(0, "", "").Time)) {
			t.Errorf("it is explained by the earlier alarm: %+v", p)
		}
	}
}

// Without logs, Pacemaker's records bound each phase, and what nobody recorded is an interval.
func TestALossWithoutLogs(t *testing.T) {
	c := killed()
	c.Log.Lines = nil
	e := failover.Explain(c)
	wants(t, e, failover.KindLoss, `
detection lb1 : -600.000..9.000 to -600.000..9.000, 0..609000 ms, 1 sources, false
membership lb1 : -600.000..9.000 to -600.000..9.000, 0..609000 ms, 1 sources, false
election lb2 : -600.000..9.000 to -600.000..9.000, 0..609000 ms, 2 sources, false
scheduler lb2 : 8.000..9.000 to 8.000..12.000, 0..4000 ms, 1 sources, false
fencing lb1 : 8.000..12.000 to 8.000..12.000, 0..4000 ms, 1 sources, false
address lb2 vip: 11.000..12.000 to 11.060..12.060, 0..1060 ms, 1 sources, true
haproxy lb2 haproxy: 11.000..12.000 to 12.000..13.020, 0..2020 ms, 2 sources, true
order 700 false
`)
	if !slices.ContainsFunc(e.Notes, func(s string) bool { return strings.Contains(s, "to the second") }) {
		t.Errorf("notes %q", e.Notes)
	}
}

// Of two losses soon after each other, the one is explained that is asked about.
func TestTwoLossesInARun(t *testing.T) {
	c := killed()
	second := cluster.Transition{
		ID: "second", Time: after(40), DC: "lb2", File: "pe-warn-4.bz2", Known: true,
		Decisions: []cluster.Consequence{{Action: "Fence (reboot)", Node: "lb3"}},
	}
	c.Run = append(c.Run, cluster.Transition{ID: "calm", Time: after(14), DC: "lb2", Known: true}, second)
	c.Lost = append(c.Lost, failover.Loss{Node: "lb3", Transition: "second"})
	for asked, want := range map[string]string{"loss": "lb1", "calm": "lb1", "second": "lb3"} {
		c.ID = asked
		if e := failover.Explain(c); e.Kind != failover.KindLoss || e.Node != want || slices.Contains(e.Transitions, "loss") != (want == "lb1") {
			t.Errorf("%s: %s of %s in %q", asked, e.Kind, e.Node, e.Transitions)
		}
	}
	c.ID, c.Live, c.After, c.Results = "loss", true, after(60), nil
	if e := failover.Explain(c); !slices.Contains(e.Notes, "These starts were decided, and Pacemaker has no result of them: vip on lb2.") {
		t.Errorf("after the first of two losses: %q", e.Notes)
	}
}

// A move that somebody asked for is another story than a loss soon after it, unless the node was
// lost because the move had it fenced.
func TestALossSoonAfterAMove(t *testing.T) {
	moved := cluster.Transition{
		ID: "moved", Time: after(-1.5), DC: "lb1", File: "pe-input-8.bz2", Known: true, Jobs: []string{"j"},
		Decisions: []cluster.Consequence{{Action: "move", Resource: "db", From: "lb3", Node: "lb2"}},
	}
	job := cluster.Job{ID: "j", Author: "ann", Kind: "move", Object: "resource/db", Node: "lb2", Begun: after(-2)}
	for name, change := range map[string]func(*cluster.Transition){
		"by a job": func(*cluster.Transition) {},
		"by a tool": func(m *cluster.Transition) {
			m.Jobs, m.Change = nil, &cluster.ConfigurationChange{Time: after(-2), User: "root", Node: "lb2"}
		},
		"not by any": func(m *cluster.Transition) { m.Jobs = nil },
		"and fenced": func(m *cluster.Transition) {
			m.Decisions = append(m.Decisions, cluster.Consequence{Action: "Fence (reboot)", Node: "lb1"})
		},
	} {
		c, move := killed(), moved
		move.Decisions = slices.Clone(moved.Decisions)
		change(&move)
		c.Run, c.Jobs = slices.Concat([]cluster.Transition{move}, c.Run), []cluster.Job{job}
		apart := strings.HasPrefix(name, "by a ")
		e := failover.Explain(c)
		if e.Kind != failover.KindLoss || e.Node != "lb1" || slices.Contains(e.Transitions, "moved") == apart {
			t.Errorf("%s, the loss: %s of %s in %q", name, e.Kind, e.Node, e.Transitions)
		}
		if apart && told(e) != told(failover.Explain(killed())) {
			t.Errorf("%s, the loss:\n%s", name, told(e))
		}
		c.ID = "moved"
		switch e := failover.Explain(c); {
		case apart && (e.Kind != failover.KindMove || e.Node != "lb3" || !slices.Equal(e.Transitions, []string{"moved"})):
			t.Errorf("%s, the move: %s off %s in %q", name, e.Kind, e.Node, e.Transitions)
		case !apart && e.Kind != failover.KindLoss:
			t.Errorf("%s, the move: %s in %q", name, e.Kind, e.Transitions)
		}
	}
}

// An input after the run may have newer results in the place of those of the run.
func TestAStartWithoutAResult(t *testing.T) {
	c := killed()
	c.Results = c.Results[:1]
	e := failover.Explain(c)
	if len(e.Phases) != 5 || !slices.Contains(e.Notes, "These starts were decided, and Pacemaker has no result of them: vip on lb2.") {
		t.Errorf("%s%q", told(e), e.Notes)
	}
}

// Of a failed monitor it is known when it ended, and that the one before was good.
func TestAFailedMonitor(t *testing.T) {
	failed := done(after(1), "lb1", "vip", "monitor", 20_000)
	failed.IntervalMS, failed.Failed, failed.Status, failed.Meaning, failed.Code = 10_000, true, 2, "timed out", 1
	c := failover.Case{
		ID: "x", Before: cluster.Transition{ID: "before", Time: after(-60), DC: "lb2"},
		Run: []cluster.Transition{{
			ID: "x", Time: after(21), DC: "lb2", File: "pe-input-1.bz2", Operations: []cluster.OperationResult{failed},
			Decisions: []cluster.Consequence{{Action: "move", Resource: "vip", From: "lb1", Node: "lb2"}},
		}},
		Results: []cluster.OperationResult{failed, done(after(21), "lb1", "vip", "stop", 30), done(after(22), "lb2", "vip", "start", 4000)},
		After:   after(100), Settings: failover.Settings{Addresses: []string{"vip"}, HAProxy: []string{"haproxy"}, Nodes: 2, TransitionDelay: 2 * time.Second},
	}
	older := done(after(-5000), "lb2", "haproxy", "monitor", 10)
	older.IntervalMS = 2000
	c.Results = append(c.Results, older)
	e := failover.Explain(c)
	wants(t, e, failover.KindFailure, `
detection lb1 vip: -29.000..22.000 to 1.000..22.000, 0..51000 ms, 1 sources, true
scheduler lb2 : 21.000..22.000 to 21.000..22.000, 0..1000 ms, 1 sources, false
stop lb1 vip: 21.000..22.000 to 21.030..22.030, 0..1030 ms, 1 sources, true
address lb2 vip: 22.000..23.000 to 26.000..27.000, 3000..5000 ms, 1 sources, true
monitor-timeout 20000 false
monitor-interval 10000 true
slow-start 4000 false
transition-delay 2000 false
`)
	if !slices.ContainsFunc(e.Notes, func(s string) bool { return strings.Contains(s, "HAProxy ran on lb2 before") }) {
		t.Errorf("notes %q", e.Notes)
	}
}

// A move begins with the request, as its job says.
func TestAPlannedMove(t *testing.T) {
	c := failover.Case{
		ID: "x", Before: cluster.Transition{ID: "before", Time: after(-60), DC: "lb2"},
		Run: []cluster.Transition{{
			ID: "x", Time: after(0), DC: "lb2", File: "pe-input-1.bz2", Jobs: []string{"j"}, Versions: 2,
			Decisions: []cluster.Consequence{{Action: "move", Resource: "vip", From: "lb1", Node: "lb2"}},
		}},
		Jobs:    []cluster.Job{{ID: "j", Author: "ann", Kind: "standby", Object: "node/lb1", Node: "lb1", Begun: after(-0.4)}},
		Results: []cluster.OperationResult{done(after(0), "lb1", "vip", "stop", 30), done(after(0), "lb2", "vip", "start", 60)},
		Log: cluster.Logged{Node: "lb2", Lines: []cluster.LogLine{
			said(0.010, "pacemaker-controld", "State transition S_IDLE -> S_POLICY_ENGINE | input=I_PE_CALC"),
			said(0.050, "pacemaker-schedulerd", "Calculated transition 5, saving inputs in /var/lib/pacemaker/pengine/pe-input-1.bz2"),
			said(0.060, "pacemaker-controld", "Initiating stop operation vip_stop_0 on lb1 | action 5"),
			said(0.130, "pacemaker-controld", "Initiating start operation vip_start_0 locally on lb2 | action 5"),
			said(0.200, "pacemaker-controld", "Result of start operation for vip on lb2: ok | x"),
		}},
		Events:   []failover.Source{{Kind: "activity", Time: after(0.9), Node: "lb2", Text: "haproxyAdopted"}},
		Settings: failover.Settings{Addresses: []string{"vip"}, HAProxy: []string{"haproxy"}, Nodes: 2},
	}
	e := failover.Explain(c)
	wants(t, e, failover.KindMove, `
request  : -0.400 to 0.010, 410..410 ms, 1 sources, true
scheduler lb2 : 0.010 to 0.050, 40..40 ms, 2 sources, true
stop lb1 vip: 0.060 to 0.090..1.030, 30..970 ms, 2 sources, true
address lb2 vip: 0.130 to 0.200, 70..70 ms, 3 sources, true
haproxy lb2 : 0.200 to 0.900, 700..700 ms, 1 sources, true
`)
	if e.Node != "lb1" || !slices.ContainsFunc(e.Notes, func(s string) bool { return strings.Contains(s, "no later transition") }) {
		t.Errorf("%s, notes %q", e.Node, e.Notes)
	}
	c.Jobs, c.Run[0].Change = nil, &cluster.ConfigurationChange{Time: after(-1), User: "root", Client: "crm_standby", Node: "lb1"}
	if e := failover.Explain(c); len(e.Phases) != 5 || e.Phases[0].Sources[0].Kind != "change" || e.Phases[0].Took.MinMS != 10 || e.Phases[0].Took.MaxMS != 1010 {
		t.Errorf("by Pacemaker's note: %s", told(e))
	}
	c.Run[0].Change = nil
	if e := failover.Explain(c); len(e.Phases) != 4 || !strings.Contains(strings.Join(e.Notes, " "), "Nobody recorded who asked") {
		t.Errorf("by nobody: %s%q", told(e), e.Notes)
	}
}

func TestNothingToExplain(t *testing.T) {
	e := failover.Explain(failover.Case{ID: "x", Run: []cluster.Transition{{ID: "x", Time: noon, Known: true}}})
	if e.Kind != failover.KindOther || len(e.Phases)+len(e.Advice)+len(e.Notes) > 0 || e.Phases == nil || e.Summary == "" {
		t.Errorf("%+v", e)
	}
}

// What belongs together: within a pause, and after a decision to fence.
func TestRuns(t *testing.T) {
	fence := []cluster.Consequence{{Action: "Fence (off)", Node: "lb1"}}
	list := []cluster.Transition{{Time: after(0)}, {Time: after(11)}, {Time: after(21), Decisions: fence}, {Time: after(200)}, {Time: after(205)}, {Time: after(216)}}
	for place, want := range [][2]int{{0, 1}, {1, 5}, {1, 5}, {1, 5}, {1, 5}, {5, 6}} {
		if from, to := failover.RunOf(list, place); from != want[0] || to != want[1] {
			t.Errorf("%d: %d to %d, expected %v", place, from, to, want)
		}
	}
	// What decides nothing links nobody, and what another job changes is another story.
	moved := []cluster.Consequence{{Action: "move", Resource: "vip", From: "lb1", Node: "lb2"}}
	busy := []cluster.Transition{
		{Time: after(0), Known: true, Decisions: moved},
		{Time: after(8), Known: true},
		{Time: after(16), Known: true, Decisions: moved, Jobs: []string{"a"}},
		{Time: after(17), Known: true},
		{Time: after(20), Known: true, Jobs: []string{"a"}},
		{Time: after(22), Known: true, Decisions: moved, Jobs: []string{"b"}},
		{Time: after(31), Known: true, Decisions: fence},
		{Time: after(40), Known: true},
		{Time: after(60), Known: true},
		{Time: after(100), Known: true, Decisions: moved},
		{Time: after(108), Known: true},
		{Time: after(112), Known: true},
	}
	for place, want := range [][2]int{{0, 2}, {0, 2}, {2, 5}, {2, 5}, {2, 5}, {5, 11}, {5, 11}, {5, 8}, {5, 9}, {5, 11}, {5, 12}, {11, 12}} {
		if from, to := failover.RunOf(busy, place); from != want[0] || to != want[1] {
			t.Errorf("busy, %d: %d to %d, expected %v", place, from, to, want)
		}
	}
	var many []cluster.Transition
	for i := range 100 {
		many = append(many, cluster.Transition{Time: after(float64(i))})
	}
	if from, to := failover.RunOf(many, 50); to-from != 30 || from > 50 || to <= 50 {
		t.Errorf("many: %d to %d", from, to)
	}
}
