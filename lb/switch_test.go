package lb_test

import (
	"errors"
	"testing"
	"time"

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
		got, err := lb.ParseSwitch("live", []byte(tc.body))
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
		_, err := lb.ParseSwitch(tc.key, []byte(tc.body))
		var invalid *lb.InvalidError
		if !errors.As(err, &invalid) || len(invalid.Fields) != 1 || invalid.Fields[0].Path != tc.field {
			t.Errorf("%s %s: error %v, want one about %s", tc.key, tc.body, err, tc.field)
		}
	}
}
