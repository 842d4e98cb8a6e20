package statsock_test

import (
	"testing"

	"thalassa/statsock"
)

func TestShowInfo(t *testing.T) {
	for _, version := range []string{"2.6.12-1+deb12u4", "3.0.11-1+deb13u3", "3.2.26-1"} {
		file := "show-info-" + version[:6] + ".txt"
		s := say(t, string(fixture(t, file)))
		got, err := statsock.New(s.path).ShowInfo(t.Context())
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if got.Version != version || got.PID <= 0 || got.Node != "edge-1" || got.Description != "thalassa 5d41402abc4b" ||
			got.Stopping || got.MaxConn < 1000 || got.Uptime <= 0 || got.CumReq == 0 || got.CumConns == 0 || got.Threads != 2 || got.IdlePercent == 0 {
			t.Errorf("%s: %+v", file, got)
		}
	}
}

func TestShowInfoRefusesOtherText(t *testing.T) {
	for _, text := range []string{"", "Permission denied\n", "Name: HAProxy\n", "Pid: x\n", "Pid: 0\n", "Pid: 5\nCurrConns: many\n"} {
		if got, err := statsock.ParseInfo(text); err == nil {
			t.Errorf("%q gave %+v", text, got)
		}
	}
	got, err := statsock.ParseInfo("Pid: 5\ndescription: a: b\nStopping: 1\nFuture: x\nno colon\n")
	want := statsock.Info{PID: 5, Description: "a: b", Stopping: true}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}
