package pacemaker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"thalassa/pacemaker"
)

// What the status remembers of operations, and which of it is a failure.
func TestOperationsOfTheStatus(t *testing.T) {
	op := func(name string, interval, code, status, expected int, rest string) string {
		return fmt.Sprintf(`<lrm_rsc_op id="%s-%d-%d-%d" operation="%s" interval="%d" rc-code="%d" op-status="%d" call-id="%d" transition-key="1:2:%d:x" last-rc-change="%d" exec-time="31" %s/>`,
			name, interval, code, status, name, interval, code, status, code+1, expected, 1795953000+code, rest)
	}
	cib, err := pacemaker.ParseCIB([]byte(`<cib admin_epoch="0" epoch="1" num_updates="1"><configuration><crm_config/><nodes/>
		<resources><primitive id="db" class="ocf" provider="pacemaker" type="Stateful"><instance_attributes id="a"><nvpair id="b" name="passwd" value="topsecret7"/></instance_attributes></primitive></resources><constraints/></configuration>
		<status><node_state id="1" uname="n1"><lrm id="1"><lrm_resources><lrm_resource id="db:0">` +
		op("start", 0, 0, 0, 0, "") + op("monitor", 0, 7, 0, 7, "") + op("monitor", 5000, 191, 0, 8, "") + op("monitor", 9000, 190, 0, 0, "") +
		op("monitor", 2000, 9, 0, 8, `exit-reason="no login with topsecret7"`) + op("stop", 0, 198, 2, 0, "") + op("demote", 0, 193, -1, 0, "") +
		`</lrm_resource></lrm_resources></lrm></node_state></status></cib>`))
	if err != nil {
		t.Fatal(err)
	}
	type result struct {
		failed  bool
		meaning string
	}
	want := map[string]result{
		"start 0": {false, "ok"}, "monitor 0": {false, "not running"}, "monitor 5000": {false, "promoted, but degraded"}, "monitor 9000": {false, "degraded"},
		"monitor 2000": {true, "promoted, but failed"}, "stop 0": {true, "timed out"},
	}
	list := cib.Operations()
	if len(list) != len(want) {
		t.Errorf("%d results, expected %d: %+v", len(list), len(want), list)
	}
	last := time.Time{}
	for _, o := range list {
		if got, w := (result{o.Failed, o.Meaning}), want[fmt.Sprint(o.Name, " ", o.IntervalMS)]; got != w {
			t.Errorf("%s every %d ms: %+v, expected %+v", o.Name, o.IntervalMS, got, w)
		}
		if o.Node != "n1" || o.Resource != "db:0" || o.DurationMS != 31 || o.Time.Before(last) || strings.Contains(o.Reason, "topsecret7") {
			t.Errorf("%+v", o)
		}
		last = o.Time
	}
}
