package history_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/cluster"
	"thalassa/lb"
	"thalassa/pacemaker/history"
)

// secret stands in a parameter of a fence device, and in a message of its agent.
const secret = "canary-in-clear"

// noon is when the tests' clusters are watched.
var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// input is what a DC keeps at a time: n2 has the address. Fails says that its monitor has
// failed on n1, delay is transition-delay, which is changed by it.
func input(at time.Time, epoch int, fails bool, delay string) []byte {
	results := `<lrm_rsc_op id="vip_last_0" operation="start" operation_key="vip_start_0" call-id="5" rc-code="0" op-status="0" interval="0" last-rc-change="1795953000" exec-time="31" queue-time="1" transition-key="3:1:0:x"/>`
	if fails {
		results += fmt.Sprintf(`<lrm_rsc_op id="vip_last_failure_0" operation="monitor" operation_key="vip_monitor_10000" call-id="7" rc-code="7" op-status="0" interval="10000" last-rc-change="%d" exec-time="9" queue-time="0" exit-reason="gone, says %s" transition-key="4:1:0:x"/>`, at.Unix(), secret)
	}
	return fmt.Appendf(nil, `<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" admin_epoch="0" epoch="%d" num_updates="%d" have-quorum="1" dc-uuid="2" execution-date="%d" cib-last-written="Sun Nov 29 11:00:00 2026" update-user="ann" update-client="cibadmin" update-origin="n1"><configuration>
<crm_config><cluster_property_set id="o"><nvpair id="o1" name="stonith-enabled" value="false"/><nvpair id="o2" name="transition-delay" value="%s"/></cluster_property_set></crm_config>
<nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes>
<resources><primitive id="fence" class="stonith" type="fence_dummy"><instance_attributes id="fp"><nvpair id="fpp" name="passwd" value="`+secret+`"/></instance_attributes></primitive>
<primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"><instance_attributes id="vp"><nvpair id="vpi" name="ip" value="192.0.2.9"/></instance_attributes><operations><op id="vm" name="monitor" interval="10s"/></operations></primitive></resources><constraints/></configuration>
<status><node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member"><lrm id="1"><lrm_resources><lrm_resource id="vip" class="ocf" provider="heartbeat" type="IPaddr2">%s</lrm_resource></lrm_resources></lrm></node_state>
<node_state id="2" uname="n2" in_ccm="true" crmd="online" join="member" expected="member"><lrm id="2"><lrm_resources/></lrm></node_state></status></cib>`, epoch, at.Unix()%1000, at.Unix(), delay, results)
}

func open(t *testing.T, dir string, b history.Bounds) *history.Archive {
	t.Helper()
	a, err := history.Open(dir, b)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// add adds an input, and returns its transition.
func add(t *testing.T, a *history.Archive, name string, data []byte) cluster.Transition {
	t.Helper()
	tr, added, err := a.Add(name, data, noon, noon)
	if err != nil || !added {
		t.Fatalf("%s: added %t, %v", name, added, err)
	}
	return tr
}

func ids(list []cluster.Transition) []string {
	out := []string{}
	for _, t := range list {
		out = append(out, t.ID)
	}
	return out
}

func found(a *history.Archive, f cluster.HistoryFilter) []string {
	list, _ := a.Find(f, 1000)
	return ids(list)
}

func TestTransitionOfAnInput(t *testing.T) {
	a := open(t, t.TempDir(), history.Bounds{})
	compressed := input(noon, 7, true, "0s")
	if path, err := exec.LookPath("bzip2"); err == nil { // as Pacemaker does
		cmd := exec.Command(path, "-c")
		cmd.Stdin = bytes.NewReader(compressed)
		if compressed, err = cmd.Output(); err != nil {
			t.Fatal(err)
		}
	}
	got := add(t, a, "pe-warn-12.bz2", compressed)
	if !got.Time.Equal(noon) || got.Tag != "warning" || got.DC != "n2" || got.Epoch.String() != "0:7:600" || !got.Quorum || got.Known {
		t.Errorf("got %+v", got)
	}
	if !strings.HasPrefix(got.ID, "20261129T120000Z-warning-12-") {
		t.Errorf("its ID is %s", got.ID)
	}
	if c := got.Change; c == nil || c.User != "ann" || c.Client != "cibadmin" || c.Node != "n1" {
		t.Errorf("the change before it is %+v", c)
	}
	if len(got.Operations) != 2 {
		t.Fatalf("operations: %+v", got.Operations)
	}
	start, monitor := got.Operations[0], got.Operations[1]
	if start.Name != "start" || start.Failed || start.DurationMS != 31 || start.Resource != "vip" || start.Node != "n1" {
		t.Errorf("the start is %+v", start)
	}
	if monitor.Name != "monitor" || !monitor.Failed || monitor.Code != 7 || monitor.IntervalMS != 10000 || strings.Contains(monitor.Reason, secret) {
		t.Errorf("the monitor is %+v", monitor)
	}
	if _, added, err := a.Add("pe-warn-12.bz2", compressed, noon, noon); added || err != nil {
		t.Errorf("the same input again: added %t, %v", added, err)
	}
}

func TestWhatIsNoInput(t *testing.T) {
	a := open(t, t.TempDir(), history.Bounds{})
	for name, data := range map[string][]byte{
		"pe-input-1.bz2":  []byte("BZh91AY&SY broken"),
		"pe-input-2.bz2":  input(noon, 1, false, "0s")[:900],
		"pe-input-3.bz2":  []byte("<notacib/>"),
		"../pe-input-4":   input(noon, 1, false, "0s"),
		"pe-input-x.bz2":  input(noon, 1, false, "0s"),
		"pe-input-5.bz2":  bytes.Repeat([]byte(" "), 5<<20),
		"pe-input-6.bz2":  nil,
		"pe-input-7.bz2/": input(noon, 1, false, "0s"),
	} {
		if _, added, err := a.Add(name, data, noon, noon); err == nil || added {
			t.Errorf("%s: added %t, %v", name, added, err)
		}
	}
	if list := found(a, cluster.HistoryFilter{}); len(list) > 0 {
		t.Errorf("there are %v", list)
	}
}

func TestArchiveOverRestarts(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir, history.Bounds{})
	for i := range 5 {
		add(t, a, fmt.Sprintf("pe-input-%d.bz2", i), input(noon.Add(time.Duration(i)*time.Minute), i, i == 3, "0s"))
	}
	before, _ := a.Find(cluster.HistoryFilter{}, 100)
	index := filepath.Join(dir, "index.jsonl")
	whole, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func() error{
		"none":    func() error { return nil },
		"missing": func() error { return os.Remove(index) },
		"torn":    func() error { return os.Truncate(index, int64(len(whole)-40)) },
		"garbage": func() error { return os.WriteFile(index, []byte("{}\nno\n\x00"), 0o600) },
	} {
		if err := os.WriteFile(index, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		after, _ := open(t, dir, history.Bounds{}).Find(cluster.HistoryFilter{}, 100)
		if fmt.Sprint(after) == "" || len(after) != len(before) {
			t.Fatalf("index %s: %d transitions, expected %d", name, len(after), len(before))
		}
		for i := range after {
			if after[i].ID != before[i].ID || len(after[i].Operations) != len(before[i].Operations) || after[i].Epoch != before[i].Epoch {
				t.Errorf("index %s: %+v, expected %+v", name, after[i], before[i])
			}
		}
	}
}

// Only what an input is the first to tell is news, also when an earlier one comes late.
func TestOperationsOnce(t *testing.T) {
	a := open(t, t.TempDir(), history.Bounds{})
	add(t, a, "pe-input-1.bz2", input(noon, 1, false, "0s"))
	failed := add(t, a, "pe-input-3.bz2", input(noon.Add(2*time.Minute), 1, true, "0s"))
	if len(failed.Operations) != 1 || !failed.Operations[0].Failed {
		t.Errorf("news are %+v", failed.Operations)
	}
	late := add(t, a, "pe-input-2.bz2", input(noon.Add(time.Minute), 1, false, "0s"))
	if len(late.Operations) != 0 {
		t.Errorf("news of the late one are %+v", late.Operations)
	}
	list, more := a.Operations(cluster.HistoryFilter{Node: "n1", Resource: "vip"}, 100)
	if len(list) != 2 || more || list[0].Name != "monitor" || list[1].Name != "start" {
		t.Errorf("all are %+v, more %t", list, more)
	}
	if list, _ := a.Operations(cluster.HistoryFilter{Node: "n2"}, 100); len(list) > 0 {
		t.Errorf("of n2: %+v", list)
	}
	if list, more := a.Operations(cluster.HistoryFilter{}, 1); len(list) != 1 || !more {
		t.Errorf("one of them: %+v, more %t", list, more)
	}
}

func TestFindTransitions(t *testing.T) {
	a := open(t, t.TempDir(), history.Bounds{})
	first := add(t, a, "pe-input-1.bz2", input(noon, 1, false, "0s"))
	second := add(t, a, "pe-error-1.bz2", input(noon.Add(time.Minute), 1, true, "0s"))
	third := add(t, a, "pe-input-2.bz2", input(noon.Add(2*time.Minute), 2, true, "1s"))
	for name, row := range map[string]struct {
		f    cluster.HistoryFilter
		want []string
	}{
		"all":      {cluster.HistoryFilter{}, []string{third.ID, second.ID, first.ID}},
		"from":     {cluster.HistoryFilter{From: noon.Add(time.Minute)}, []string{third.ID, second.ID}},
		"to":       {cluster.HistoryFilter{To: noon.Add(time.Minute)}, []string{second.ID, first.ID}},
		"tag":      {cluster.HistoryFilter{Tag: "error"}, []string{second.ID}},
		"resource": {cluster.HistoryFilter{Resource: "vip", To: noon.Add(time.Minute)}, []string{second.ID, first.ID}},
		"node":     {cluster.HistoryFilter{Node: "n2"}, []string{}},
		"nobody":   {cluster.HistoryFilter{Resource: "other"}, []string{}},
	} {
		if got := found(a, row.f); !slices.Equal(got, row.want) {
			t.Errorf("%s: %v, expected %v", name, got, row.want)
		}
	}
	if before, after := a.Neighbors(second.ID); before != first.ID || after != third.ID {
		t.Errorf("neighbors are %s and %s", before, after)
	}
	for _, id := range []string{"", "x", "20261129T120000Z-input-9-00000000", "../index.jsonl"} {
		if _, _, err := a.Input(id); !isMissing(err) {
			t.Errorf("%q: %v", id, err)
		}
		if _, err := a.Transition(id); !isMissing(err) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func isMissing(err error) bool {
	_, ok := errors.AsType[*lb.NotFoundError](err)
	return ok
}

func TestBounds(t *testing.T) {
	size := int64(len(input(noon, 1, false, "0s")))
	for name, b := range map[string]history.Bounds{
		"number": {Number: 3}, "bytes": {Bytes: 3*size + size/2}, "age": {Age: 2*time.Minute + time.Second},
	} {
		dir := t.TempDir()
		a := open(t, dir, b)
		for i := range 6 {
			at := noon.Add(time.Duration(i) * time.Minute)
			if _, added, err := a.Add(fmt.Sprintf("pe-input-%d.bz2", i), input(at, 1, false, "0s"), at, at); err != nil || !added {
				t.Fatalf("%s: added %t, %v", name, added, err)
			}
		}
		if list := found(a, cluster.HistoryFilter{}); len(list) != 3 || !strings.Contains(list[0], "-input-5-") {
			t.Errorf("%s: there are %v", name, list)
		}
		if files, _ := filepath.Glob(filepath.Join(dir, "*.input")); len(files) != 3 {
			t.Errorf("%s: the files are %v", name, files)
		}
		if _, added, err := a.Add("pe-input-9.bz2", input(noon.Add(-time.Hour), 1, false, "0s"), noon, noon.Add(5*time.Minute)); err != nil || added {
			t.Errorf("%s: an old one: added %t, %v", name, added, err)
		}
	}
}

// The time of an input without a date is that of its file, also when the index is lost.
func TestInputWithoutADate(t *testing.T) {
	dir := t.TempDir()
	data := bytes.Replace(input(noon, 1, false, "0s"), fmt.Appendf(nil, ` execution-date="%d"`, noon.Unix()), nil, 1)
	tr := add(t, open(t, dir, history.Bounds{}), "pe-input-1.bz2", data)
	if err := os.Remove(filepath.Join(dir, "index.jsonl")); err != nil {
		t.Fatal(err)
	}
	again, err := open(t, dir, history.Bounds{}).Transition(tr.ID)
	if err != nil || !tr.Time.Equal(noon) || !again.Time.Equal(noon) {
		t.Errorf("the time was %s, and is %s, %v", tr.Time, again.Time, err)
	}
}

// What is too old goes while nothing comes, too: a node that has left its cluster has inputs with
// secrets, and lines of other nodes.
func TestWhatIsOldGoesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(noon)) // the archive keeps nothing that is old
		dir, logs := t.TempDir(), t.TempDir()
		p := history.Past{Archive: open(t, dir, history.Bounds{Age: 5 * time.Hour})}
		p.Elsewhere = &history.Elsewhere{Masked: true} // nobody asks the scheduler
		first := add(t, p.Archive, "pe-input-1.bz2", input(noon, 1, false, "0s"))
		second := add(t, p.Archive, "pe-input-2.bz2", input(noon.Add(3*time.Hour), 2, false, "0s"))
		if err := os.WriteFile(filepath.Join(logs, "n2.log.jsonl"), []byte(`{"From":"2026-11-29T12:00:00Z","To":"2026-11-29T12:01:00Z","Lines":[]}`+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		kept, err := history.OpenKeptLines(logs)
		if err != nil {
			t.Fatal(err)
		}
		r := history.NewRecorder(p, filepath.Join(t.TempDir(), "none"), time.Now, slog.New(slog.DiscardHandler))
		r.Kept = kept
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		has := func(when string, wanted []string, files, lines int) {
			t.Helper()
			if got := found(p.Archive, cluster.HistoryFilter{}); !slices.Equal(got, wanted) {
				t.Errorf("%s, there are %v", when, got)
			}
			inputs, err := filepath.Glob(filepath.Join(dir, "*.input"))
			told, toldErr := filepath.Glob(filepath.Join(logs, "*"))
			if err != nil || toldErr != nil || len(inputs) != files || len(told) != lines {
				t.Errorf("%s, there are the files %v and %v, %v, %v", when, inputs, told, err, toldErr)
			}
		}
		<-time.After(4 * time.Hour)
		has("before", []string{second.ID, first.ID}, 2, 1)
		<-time.After(2*time.Hour + time.Minute)
		if index, err := os.ReadFile(filepath.Join(dir, "index.jsonl")); err != nil || strings.Contains(string(index), first.ID) || !strings.Contains(string(index), second.ID) {
			t.Errorf("the index has %s, %v", index, err)
		}
		has("when one is old", []string{second.ID}, 1, 0)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
