package history_test

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/pacemaker/history"
)

// moved is an input a minute after noon: vip was stopped on n1 at once, took 400 ms, and
// started on n2 two seconds after noon, which took 1.5 s.
func moved(t *testing.T) []byte {
	t.Helper()
	data := input(noon.Add(time.Minute), 1, false, "0s")
	put := func(old, fresh string) {
		if !bytes.Contains(data, []byte(old)) {
			t.Fatalf("the input lacks %s", old)
		}
		data = bytes.Replace(data, []byte(old), []byte(fresh), 1)
	}
	put(`operation="start" operation_key="vip_start_0" call-id="5" rc-code="0" op-status="0" interval="0" last-rc-change="1795953000" exec-time="31"`,
		`operation="stop" operation_key="vip_stop_0" call-id="9" rc-code="0" op-status="0" interval="0" last-rc-change="`+unix(noon)+`" exec-time="400"`)
	put(`<lrm id="2"><lrm_resources/></lrm>`, `<lrm id="2"><lrm_resources><lrm_resource id="vip" class="ocf" provider="heartbeat" type="IPaddr2"><lrm_rsc_op id="vip_last_0" operation="start" operation_key="vip_start_0" call-id="5" rc-code="0" op-status="0" interval="0" last-rc-change="`+unix(noon.Add(2*time.Second))+`" exec-time="1500" queue-time="0" transition-key="3:1:0:x"/></lrm_resource></lrm_resources></lrm>`)
	return data
}

func unix(at time.Time) string { return strconv.FormatInt(at.Unix(), 10) }

// The state of an instant has what was done until then, and says where it is from.
func TestAnyInstant(t *testing.T) {
	p := past(t)
	first := add(t, p.Archive, "pe-input-1.bz2", input(noon, 1, false, "0s"))
	second := add(t, p.Archive, "pe-input-2.bz2", moved(t))
	for name, row := range map[string]struct {
		at         time.Duration
		from, next string
		operations int
		node       string // that has the address; empty: none
	}{
		"at once":            {0, first.ID, second.ID, 0, "n1"},
		"while it moves":     {1500 * time.Millisecond, first.ID, second.ID, 1, ""},
		"while it starts":    {3 * time.Second, first.ID, second.ID, 1, ""},
		"after it":           {4 * time.Second, first.ID, second.ID, 2, "n2"},
		"at the second":      {time.Minute, second.ID, "", 0, "n2"},
		"long after it all":  {time.Hour, second.ID, "", 0, "n2"},
		"right before the 2": {time.Minute - time.Millisecond, first.ID, second.ID, 2, "n2"},
	} {
		m, err := p.At(t.Context(), noon.Add(row.at))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if m.Past.Transition != row.from || m.Past.Next != row.next || len(m.Past.Operations) != row.operations {
			t.Errorf("%s: made from %+v", name, m.Past)
		}
		if age := noon.Add(row.at).Sub(m.Past.Recorded).Milliseconds(); m.Past.AgeMS != age || age < 0 {
			t.Errorf("%s: %d ms old, expected %d", name, m.Past.AgeMS, age)
		}
		if len(m.FloatingIPs) != 1 || m.FloatingIPs[0].Node != row.node {
			t.Errorf("%s: the address is on %+v", name, m.FloatingIPs)
		}
	}
	_, err := p.At(t.Context(), noon.Add(-time.Second))
	if !isMissing(err) || !strings.Contains(err.Error(), "begins at 2026-11-29T12:00:00Z") {
		t.Errorf("before the record: %v", err)
	}
}

// What changed the configuration since is told by the next transition.
func TestChangesSinceTheRecord(t *testing.T) {
	p := past(t)
	add(t, p.Archive, "pe-input-1.bz2", input(noon, 1, false, "0s"))
	changed := time.Date(2026, 11, 29, 11, 0, 0, 0, time.Local) // as the inputs say
	add(t, p.Archive, "pe-input-2.bz2", input(noon.Add(time.Minute), 3, false, "2s"))
	m, err := p.At(t.Context(), noon.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if want := changed.Before(noon); (len(m.Past.Changes) == 1 && m.Past.Changes[0].Name == "ann") != want {
		t.Errorf("changes: %+v", m.Past.Changes)
	}
}

func TestAnInstantOfAnEmptyArchive(t *testing.T) {
	p := history.Past{Archive: open(t, t.TempDir(), history.Bounds{})}
	m, err := p.At(t.Context(), noon)
	if !isMissing(err) || !strings.Contains(err.Error(), "the history is empty") {
		t.Errorf("%+v, %v", m.Past, err)
	}
	if list, _ := p.Find(cluster.HistoryFilter{}, 1); len(list) > 0 {
		t.Error(list)
	}
}
