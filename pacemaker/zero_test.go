package pacemaker_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/pacemaker"
)

// A zero is a value: it is written and read as one, and is not the default.
func TestZerosAreWrittenAsZeros(t *testing.T) {
	c, path := onFile(t, "empty.xml")
	d := pacemaker.Description{
		Addresses: prefixes(t, "192.0.2.10/24"), Agent: "ocf:heartbeat:Dummy", Prefer: []string{"n2", "n1"},
		Stickiness: new(0), Threshold: new(0), FailureTimeout: new(time.Duration(0)),
	}
	written(t, c, d)
	text := configurationIn(t, path)
	for _, want := range []string{
		`id="vip-meta_attributes-resource-stickiness" name="resource-stickiness" value="0"`,
		`id="vip-meta_attributes-migration-threshold" name="migration-threshold" value="0"`,
		`id="vip-meta_attributes-failure-timeout" name="failure-timeout" value="0s"`,
		`id="haproxy-thalassa-prefers-n2" rsc="vip" node="n2" score="2"`,
		`id="haproxy-thalassa-prefers-n1" rsc="vip" node="n1" score="1"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	p, err := c.Plan(t.Context(), d)
	if err != nil || len(p.Changes) != 0 {
		t.Errorf("planned again: %q, %v", p.Changes, err)
	}
	d.Stickiness, d.Threshold, d.FailureTimeout = nil, nil, nil
	if p, err = c.Plan(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"set resource-stickiness of vip to 100, which is 0", "set migration-threshold of haproxy to 3, which is 0",
		"set failure-timeout of vip to 60s, which is 0s",
	} {
		if !slices.Contains(p.Changes, want) {
			t.Errorf("%q is not in %q", want, p.Changes)
		}
	}
}

// A migration-threshold of 0 lets a resource fail without end.
func TestThresholdOfZeroKeepsNothingAway(t *testing.T) {
	for threshold, tooOften := range map[string]bool{"0": false, "1": true} {
		c, path := onFile(t, "failed.xml")
		tool(t, path, "crm_resource", "-r", "vip", "--meta", "-p", "migration-threshold", "-v", threshold)
		tool(t, path, "crm_attribute", "-N", "n2", "-l", "reboot", "-n", "fail-count-vip#monitor_2000", "-v", "5")
		v, err := c.Now(t.Context())
		if err != nil || len(v.FailCounts) == 0 || v.FailCounts[len(v.FailCounts)-1].Threshold != map[bool]int{true: 1}[tooOften] {
			t.Errorf("fail counts %+v, %v", v.FailCounts, err)
		}
		if moves := strings.Contains(strings.Join(v.Reasons, "\n"), "Pacemaker will move vip"); moves != tooOften {
			t.Errorf("with a threshold of %s: %q", threshold, v.Reasons)
		}
	}
}
