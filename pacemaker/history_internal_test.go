package pacemaker

import (
	"fmt"
	"testing"
	"time"

	"thalassa/cluster"
)

// Output of stonith_admin --history '*' -V of Pacemaker 2.1.5, and of crm_mon.
const (
	history = `<pacemaker-result api-version="2.25" request="stonith_admin --output-as=xml --history * -V">
  <list name="fencing history" count="4">
    <fence_event action="reboot" target="n2" client="pacemaker-controld.98" origin="n1" status="failed" exit-reason="login to https://ipmi:c0ffee@192.0.2.5 failed" delegate="n1" completed="2026-11-29 01:06:33Z"/>
    <fence_event action="reboot" target="n3" client="stonith_admin.116" origin="n1" status="success" delegate="n1" completed="2026-11-29 01:06:37.123456Z"/>
    <fence_event action="off" target="n2" client="stonith_admin.120" origin="n1" status="pending" extended-status="3"/>
    <fence_event action="reboot" target="n2" client="stonith_admin.114" origin="n1" status="failed" completed="2026-11-29 03:06:35 +02:00"/>
  </list>
  <status code="0" message="OK"/>
</pacemaker-result>`
	inMonitor = `<pacemaker-result><fence_history status="0"><fence_event action="reboot" target="n3" client="c" origin="n1" status="success" delegate="n1" completed="2026-11-29 01:06:37Z"/></fence_history></pacemaker-result>`
)

func TestFenceHistoryIsRead(t *testing.T) {
	v := cluster.Status{}
	(detailXML{Fencing: readHistory([]byte(history))}).addTo(&v, nil)
	want := []cluster.FenceEvent{
		{Node: "n2", Action: "off", Status: "pending"},
		{Node: "n3", Action: "reboot", Status: "success", Device: "n1", Time: time.Date(2026, 11, 29, 1, 6, 37, 123456000, time.UTC)},
		{Node: "n2", Action: "reboot", Status: "failed", Time: time.Date(2026, 11, 29, 1, 6, 35, 0, time.UTC)},
		{Node: "n2", Action: "reboot", Status: "failed", Device: "n1", Reason: "login to https:********192.0.2.5 failed", Time: time.Date(2026, 11, 29, 1, 6, 33, 0, time.UTC)},
	}
	if fmt.Sprint(v.FenceHistory) != fmt.Sprint(want) {
		t.Errorf("got\n%+v\nwant\n%+v", v.FenceHistory, want)
	}
	if got := failedFencings(v.FenceHistory, "n2"); got != ": fencing it failed 2 times, the last time because login to https:********192.0.2.5 failed" {
		t.Error(got)
	}
	if got := failedFencings(v.FenceHistory, "n3"); got != "" {
		t.Error(got)
	}
	if got := readHistory([]byte(inMonitor)); len(got) != 1 || got[0].Node != "n3" {
		t.Errorf("%+v", got)
	}
	for _, text := range []string{"", "<pacemaker-result/>", `<pacemaker-result><list name="fencing history" count="0"/></pacemaker-result>`, "no XML"} {
		if got := readHistory([]byte(text)); len(got) != 0 {
			t.Errorf("%q: %+v", text, got)
		}
	}
}
