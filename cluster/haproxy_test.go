package cluster_test

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/lb"
)

// What describes HAProxy is the same after it was sent as JSON, each field of it.
func TestHAProxyAsJSON(t *testing.T) {
	want := cluster.HAProxy{
		Name: "edge", Agent: "ocf:x:y", Parameters: map[string]string{"a": "b"}, Topology: "group", Order: "mandatory",
		Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.10/24")}, Interface: "eth0", Prefer: []string{"n1"}, Nodes: []string{"n1", "n2"}, Watch: []string{"eth1"},
		Manage: netip.MustParsePrefix("192.0.2.11/24"), ManagePort: 10001,
		Monitor: time.Second, MonitorTimeout: 2 * time.Second, DeepMonitor: 3 * time.Second, AddressMonitor: 4 * time.Second, Start: 5 * time.Second, Stop: 6 * time.Second,
		Stickiness: new(0), Threshold: new(7), FailureTimeout: new(time.Duration),
	}
	for i, v := 0, reflect.ValueOf(want); i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("the test does not set %s", v.Type().Field(i).Name)
		}
	}
	d, err := want.Document()
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var read cluster.HAProxyDocument
	if err := json.Unmarshal(data, &read); err != nil {
		t.Fatal(err)
	}
	var fe lb.FieldErrors
	got := read.Parse(&fe, "description")
	if err := json.Unmarshal(read.Parameters, &got.Parameters); err != nil || fe.Err() != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, expected %+v: %v, %v", got, want, err, fe.Err())
	}
	read.Manage, read.IPs, read.FailureTimeout = "here", []string{"192.0.2.10"}, "-1s"
	read.Parse(&fe, "description")
	if invalid, ok := fe.Err().(*lb.InvalidError); !ok || len(invalid.Fields) != 3 { //nolint:errorlint // as it is made
		t.Errorf("%v", fe.Err())
	}
}
