package ocf

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/haproxy"
	"thalassa/internal/safefile"
)

// A Host is what a cluster needs on a node.
type Host struct {
	// Parameters of the resource; nil: HAProxy has another resource agent.
	Parameters map[string]string
	// Addresses are the floating IPs. Interface is theirs; empty: the one with their
	// network.
	Addresses []netip.Prefix
	Interface string
	// Watched interfaces.
	Watched []string
	// Elsewhere: HAProxy also runs on nodes without the floating IPs.
	Elsewhere bool
	// Manage is the floating IP of the management endpoint, and ManagePort the port of the
	// agents; not valid: there is none.
	Manage     netip.Prefix
	ManagePort int
}

// hostTime limits the check of a node.
const hostTime = 8 * time.Second

// CheckHost checks whether this node has what the cluster needs: the interfaces, a network
// for each address, what validate-all checks, and the right to bind an address that the
// node does not have. The error has all that is missing.
func CheckHost(ctx context.Context, cfg Config, h Host) error {
	var wrong []error
	for _, name := range append(slices.Clone(h.Watched), h.Interface) {
		if _, err := net.InterfaceByName(name); name != "" && err != nil {
			wrong = append(wrong, fmt.Errorf("the interface %s does not exist", name))
		}
	}
	if h.Interface == "" {
		for _, a := range h.Addresses {
			if !hasNetwork(a) {
				wrong = append(wrong, fmt.Errorf("no interface has the network of %s", a))
			}
		}
	}
	if h.Manage.IsValid() {
		wrong = append(wrong, checkManage(ctx, h))
	}
	if h.Parameters == nil {
		return errors.Join(wrong...)
	}
	if r := Do(ctx, cfg, Request{Action: "validate-all", Parameters: h.Parameters, Timeout: hostTime}); r.Code != OK {
		wrong = append(wrong, errors.New(r.Reason))
	}
	if h.Elsewhere {
		wrong = append(wrong, checkBinds(h))
	}
	return errors.Join(wrong...)
}

// checkManage reports that this node cannot be the management endpoint.
func checkManage(ctx context.Context, h Host) error {
	if !hasNetwork(h.Manage) {
		return fmt.Errorf("no interface has the network of %s", h.Manage)
	}
	parameters := map[string]string{"ip": h.Manage.Addr().String(), "port": strconv.Itoa(h.ManagePort), "restart_time": "1s"}
	if r := DoEndpoint(ctx, Request{Action: "validate-all", Parameters: parameters, Timeout: hostTime}); r.Code != OK {
		return errors.New(r.Reason)
	}
	return nil
}

// maxConfig bounds the haproxy.cfg that is looked at: bytes.
const maxConfig = 64 << 20

// checkBinds reports a bind of the configuration that only works on the node with the
// floating IP. HAProxy works there until its next start.
func checkBinds(h Host) error {
	v, _ := parse(h.Parameters) // validate-all has reported what is invalid
	config, err := safefile.Read(v.config, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the agent has not written it yet
	}
	if err != nil {
		return err
	}
	for _, b := range haproxy.LocalBinds(config) {
		floats := slices.ContainsFunc(h.Addresses, func(a netip.Prefix) bool { return a.Addr() == b.Address.Addr().WithZone("") })
		if option := nonlocalBind(b.Address.Addr()); floats && !isOn(option) {
			return fmt.Errorf("HAProxy cannot bind %s without that floating IP: bind *:%d, add transparent to the bind, or set %s=1",
				b.Text, b.Address.Port(), strings.ReplaceAll(strings.TrimPrefix(option, "/proc/sys/"), "/", "."))
		}
	}
	return nil
}

// nonlocalBind is the kernel's option to bind an address that the node does not have.
func nonlocalBind(a netip.Addr) string {
	if a.Is4() {
		return "/proc/sys/net/ipv4/ip_nonlocal_bind"
	}
	return "/proc/sys/net/ipv6/ip_nonlocal_bind"
}

func isOn(option string) bool {
	value, err := safefile.Read(option, 64)
	return err == nil && strings.TrimSpace(string(value)) != "0"
}

// hasNetwork reports whether an interface is in the network of an address, as IPaddr2
// decides it: by a route without a gateway.
func hasNetwork(a netip.Prefix) bool {
	path, route := "/proc/net/route", route4
	if a.Addr().Is6() {
		path, route = "/proc/net/ipv6_route", route6
	}
	f, err := safefile.Open(path)
	if err != nil {
		return true // not known
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		network, ok := route(strings.Fields(lines.Text()))
		if ok && network.Bits() > 0 && network.Bits() <= a.Bits() && network.Contains(a.Addr()) {
			return true
		}
	}
	return false
}

// route4 reads a line of /proc/net/route: interface, destination, gateway, flags, …, mask.
func route4(fields []string) (network netip.Prefix, ok bool) {
	if len(fields) < 8 || fields[2] != "00000000" {
		return network, false
	}
	destination, err := strconv.ParseUint(fields[1], 16, 32)
	mask, maskErr := strconv.ParseUint(fields[7], 16, 32)
	if err != nil || maskErr != nil {
		return network, false
	}
	var raw, bits [4]byte
	binary.NativeEndian.PutUint32(raw[:], uint32(destination))
	binary.NativeEndian.PutUint32(bits[:], uint32(mask))
	ones, _ := net.IPMask(bits[:]).Size()
	return netip.PrefixFrom(netip.AddrFrom4(raw), ones), true
}

// route6 reads a line of /proc/net/ipv6_route: destination, its length, source, its
// length, gateway, …, interface.
func route6(fields []string) (network netip.Prefix, ok bool) {
	if len(fields) < 10 || strings.Trim(fields[4], "0") != "" || fields[9] == "lo" {
		return network, false
	}
	raw, err := hex.DecodeString(fields[0])
	ones, onesErr := strconv.ParseUint(fields[1], 16, 8)
	if err != nil || onesErr != nil || len(raw) != 16 {
		return network, false
	}
	return netip.PrefixFrom(netip.AddrFrom16([16]byte(raw)), int(ones)), true
}
