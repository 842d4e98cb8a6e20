package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/pacemaker"
	"thalassa/pacemaker/history"
)

// timelineInput is an input of Pacemaker's scheduler at a time, with a change of the configuration.
func timelineInput(n int, at time.Time) []byte {
	var resources, results strings.Builder
	for i := range 20 {
		fmt.Fprintf(&resources, `<primitive id="web-%d" class="ocf" provider="heartbeat" type="apache"/>`, i)
		fmt.Fprintf(&results, `<lrm_resource id="web-%[1]d" class="ocf" provider="heartbeat" type="apache"><lrm_rsc_op id="web-%[1]d_last_0" operation="start" operation_key="web-%[1]d_start_0" call-id="%[2]d" rc-code="0" op-status="0" interval="0" last-rc-change="%[3]d" exec-time="31" queue-time="1" transition-key="3:%[2]d:0:x"/></lrm_resource>`, i, n*20+i, at.Unix())
	}
	return fmt.Appendf(nil, `<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" admin_epoch="0" epoch="%d" num_updates="1" have-quorum="1" dc-uuid="1" execution-date="%d"><configuration><crm_config/><nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes><resources>%s</resources><constraints/></configuration><status><node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member"><lrm id="1"><lrm_resources>%s</lrm_resources></lrm></node_state></status></cib>`, n+1, at.Unix(), &resources, &results)
}

// BenchmarkTimeLine opens the time line of a cluster of which 4000 inputs of the scheduler are
// stored, one each 20 minutes, and measures until it is painted, and until all of it is there.
func BenchmarkTimeLine(b *testing.B) {
	const inputs = 4000
	archive, err := history.Open(b.TempDir(), history.Bounds{})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	for n := range inputs {
		at := now.Add(time.Duration(n-inputs) * 20 * time.Minute)
		if _, _, err := archive.Add(fmt.Sprintf("pe-input-%d", n), timelineInput(n, at), at, now); err != nil {
			b.Fatal(err)
		}
	}
	const dots = `document.querySelectorAll(".timeline .dot").length`
	for b.Loop() {
		_, cfg := apitest.Prepare(b, apitest.Importing(b), apitest.InCluster(apitest.NewCluster()), func(cfg *api.Config) {
			cfg.ClusterHistory = history.Past{Archive: archive, Tools: pacemaker.Config{Tools: b.TempDir()}}
		})
		p := openPage(b, served(b, cfg), "/history", look{})
		p.excuse("data:image/svg+xml") // the icon in Chromium's own field for a time
		var paint, complete []time.Duration
		for range 10 {
			p.visit("/history")
			var took struct{ Paint, Complete, Dots float64 }
			p.ask(`new Promise(done => { const look = () => { if (`+dots+` > 0) requestAnimationFrame(() => done(
				{Paint: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0, Complete: performance.now(), Dots: `+dots+`})); else setTimeout(look, 5); }; look(); })`, &took)
			paint = append(paint, time.Duration(took.Paint*float64(time.Millisecond)))
			complete = append(complete, time.Duration(took.Complete*float64(time.Millisecond)))
			b.ReportMetric(took.Dots, "dots")
		}
		b.ReportMetric(0, "ns/op")
		quantiles(b, "first-paint", paint)
		quantiles(b, "complete", complete)
	}
}
