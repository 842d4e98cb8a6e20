package haproxy_test

import (
	"strings"
	"testing"

	"thalassa/haproxy"
)

func TestClaimIsForOneAtATime(t *testing.T) {
	cfg := paths(t.TempDir())
	release, err := haproxy.New(cfg).Claim(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := haproxy.New(cfg).Claim(t.Context()); err == nil || !strings.Contains(err.Error(), "another agent looks after "+cfg.ConfigPath) {
		t.Errorf("the second claim: %v", err)
	}
	other := cfg
	other.ConfigPath += ".other"
	if releaseOther, err := haproxy.New(other).Claim(t.Context()); err != nil {
		t.Errorf("another HAProxy: %v", err)
	} else {
		releaseOther()
	}
	release()
	if release, err = haproxy.New(cfg).Claim(t.Context()); err != nil {
		t.Errorf("after the release: %v", err)
	} else {
		release()
	}
}
