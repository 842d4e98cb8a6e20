package node_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"thalassa/api/node"
	"thalassa/lb"
)

func TestParseSwitch(t *testing.T) {
	tests := []struct {
		body string
		want lb.Switch
	}{
		{`{"version":"2.0.1"}`, lb.Switch{Version: "2.0.1"}},
		{`{"name":"shop","version":"2.0.1"}`, lb.Switch{Service: "shop", Version: "2.0.1"}},
		{`{"version":"2","force":true,"wait":"1m30s"}`, lb.Switch{Version: "2", Force: true, Wait: 90 * time.Second}},
		{`{"version":"2","wait":"10m"}`, lb.Switch{Version: "2", Wait: lb.MaxWait}},
	}
	for _, tc := range tests {
		tc.want.Backend = "live"
		got, err := node.ParseSwitch("live", []byte(tc.body))
		if err != nil {
			t.Errorf("%s: %v", tc.body, err)
			continue
		}
		if got.Backend != tc.want.Backend || got.Service != tc.want.Service || got.Version != tc.want.Version ||
			got.Force != tc.want.Force || got.Wait != tc.want.Wait {
			t.Errorf("%s: %+v, want %+v", tc.body, got, tc.want)
		}
	}
}

func TestParseSwitchNamesTheBadField(t *testing.T) {
	tests := []struct{ key, body, field string }{
		{"live", `{}`, "version"},
		{"live", `{"version":""}`, "version"},
		{"live", `{"version":2}`, "version"},
		{"live", `{"version":"a b"}`, "version"},
		{"live", `{"version":"1","name":"a\nb"}`, "name"},
		{"live", `{"version":"1","force":"yes"}`, "force"},
		{"live", `{"version":"1","wait":30}`, "wait"},
		{"live", `{"version":"1","wait":"30"}`, "wait"},
		{"live", `{"version":"1","wait":"-1s"}`, "wait"},
		{"live", `{"version":"1","wait":"10m1s"}`, "wait"},
		{"live", `{"version":"1","vresion":"1"}`, "vresion"},
		{"live", `["1"]`, "body"},
		{"live", `{"version":"1"} {}`, "body"},
		{"live", ``, "body"},
		{"a/b", `{"version":"1"}`, "key"},
	}
	for _, tc := range tests {
		_, err := node.ParseSwitch(tc.key, []byte(tc.body))
		var invalid *lb.InvalidError
		if !errors.As(err, &invalid) || len(invalid.Fields) != 1 || invalid.Fields[0].Path != tc.field {
			t.Errorf("%s %s: error %v, want one about %s", tc.key, tc.body, err, tc.field)
		}
	}
}

func TestAppliedJSON(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(node.NewApplied(lb.Applied{Applied: true, Path: "reload", Duration: 1500 * time.Microsecond, Revision: 3}))
	if want := `{"applied":true,"path":"reload","revision":3,"durationMs":1.5}`; err != nil || string(data) != want {
		t.Errorf("%s, %v, want %s", data, err, want)
	}
}

func TestMemberJSON(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(node.NewMembers([]lb.Member{
		{
			Address: lb.HostPort{Host: "10.0.0.1", Port: 80}, Service: "shop", Version: "1",
			LastKnown: time.UnixMilli(1700000000000), Meta: map[string]string{"pid": "7"},
		},
		{Address: lb.HostPort{Host: "::1", Port: 2}},
	}))
	want := `[{"id":"/shop/1/10.0.0.1/80","name":"shop","version":"1","host":"10.0.0.1","port":80,"lastKnown":1700000000000,"meta":{"pid":"7"}},` +
		`{"id":"///::1/2","name":"","version":"","host":"::1","port":2,"meta":{}}]`
	if err != nil || string(data) != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, data, want)
	}
}

func TestServerStatsJSON(t *testing.T) {
	t.Parallel()
	s := node.NewServerStats(lb.ServerStats{
		Server: "s1", Address: lb.HostPort{Host: "10.0.0.1", Port: 80}, Status: "UP", Weight: 1, Check: "L7OK", Sessions: 2, Queue: 3, Requests: 30,
		Responses:     lb.Responses{Informational: 4, Success: 5, Redirection: 6, ClientError: 7, ServerError: 8, Other: 9},
		ConnectErrors: 10, Redispatches: 11, ResponseErrors: 12, ResponseTimeMS: 13,
	})
	want := `{"server":"s1","status":"UP","weight":1,"check":"L7OK","sessions":2,"queue":3,"requests":30,` +
		`"responses":{"1xx":4,"2xx":5,"3xx":6,"4xx":7,"5xx":8,"other":9},"connectErrors":10,"redispatches":11,"responseErrors":12,"responseTimeMs":13}`
	if data, err := json.Marshal(s); err != nil || string(data) != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, data, want)
	}
}
