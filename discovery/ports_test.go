package discovery_test

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"thalassa/discovery"
	"thalassa/internal/testkit"
)

func TestPorts(t *testing.T) {
	t.Parallel()
	ports := testkit.Ports(t, 2)
	consul := testkit.Consul(t, fmt.Sprintf("ports { grpc = %d, dns = -1, serf_lan = %d }", ports[0], ports[1]))
	got, err := discovery.Ports(t.Context(), discovery.Config{Address: consul.Address()})
	if err != nil {
		t.Fatal(err)
	}
	_, text, err := net.SplitHostPort(consul.Address())
	if err != nil {
		t.Fatal(err)
	}
	http, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{http, ports[0], ports[1]} {
		if !slices.Contains(got, uint16(want)) {
			t.Errorf("port %d is missing in %v", want, got)
		}
	}
	for _, p := range got {
		if p == 0 || p == 21000 || p == 21255 || p == 65535 { // sidecars', and -1
			t.Errorf("port %d is in %v", p, got)
		}
	}
	if _, err := discovery.Ports(t.Context(), discovery.Config{Address: "127.0.0.1:1"}); err == nil || !strings.HasPrefix(err.Error(), "asking consul for its ports: ") {
		t.Errorf("without Consul: %v", err)
	}
}
