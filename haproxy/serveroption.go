package haproxy

import (
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"thalassa/lb"
)

// Options of servers from HAProxy 2.6 to 3.4, by the number of their arguments
// (configuration manual, 5.2). A line with another option is unclear.
const (
	plainOptions = " agent-check allow-0rtt backup check check-reuse-pool check-send-proxy check-sni-auto check-ssl" +
		" check-via-socks4 disabled enabled force-sslv3 force-tlsv10 force-tlsv11 force-tlsv12 force-tlsv13" +
		" no-agent-check no-backup no-check no-check-reuse-pool no-check-send-proxy no-check-sni-auto no-check-ssl" +
		" no-renegotiate no-send-proxy no-send-proxy-v2 no-send-proxy-v2-ssl no-send-proxy-v2-ssl-cn no-sni-auto" +
		" no-ssl no-ssl-reuse no-sslv3 no-tfo no-tls-tickets no-tlsv10 no-tlsv11 no-tlsv12 no-tlsv13 non-stick" +
		" renegotiate send-proxy send-proxy-v2 send-proxy-v2-ssl send-proxy-v2-ssl-cn sni-auto ssl ssl-reuse stick" +
		" strict-maxconn tfo tls-tickets "
	valueOptions = " addr agent-addr agent-inter agent-port agent-send alpn ca-file cc check-alpn" +
		" check-pool-conn-name check-proto check-sni ciphers ciphersuites client-sigalgs cookie crl-file crt curves" +
		" downinter error-limit fall fastinter guid hash-key id idle-ping init-addr init-state inter interface ktls" +
		" log-bufsize log-proto max-reuse maxconn maxqueue minconn namespace npn observe on-error on-marked-down" +
		" on-marked-up pool-conn-name pool-low-conn pool-max-conn pool-purge-delay port proto proxy-v2-options redir" +
		" resolve-net resolve-opts resolve-prefer resolvers rise set-proxy-v2-tlv-fmt shard sigalgs slowstart sni" +
		" socks4 source ssl-max-ver ssl-min-ver tcp-md5sig tcp-ut track usesrc verify verifyhost weight ws "
)

// An optionTable maps options to the number of their arguments.
type optionTable map[string]int

func newOptionTable() optionTable {
	t := optionTable{}
	for n, options := range []string{plainOptions, valueOptions} {
		for option := range strings.FieldsSeq(options) {
			t[option] = n
		}
	}
	return t
}

// arguments is the number of arguments of an option, if known.
func (t optionTable) arguments(option string) (int, bool) {
	option, _, _ = strings.Cut(option, "(") // set-proxy-v2-tlv-fmt(0xEE)
	n, ok := t[option]
	return n, ok
}

// serverSettings are the settings of a server that "show servers state" shows.
type serverSettings struct {
	// address has no host unless it is a plain IP address or name with a port.
	address lb.HostPort
	weight  int
	// check and agent are the addresses of checks and agents; zero: that of the server.
	check, agent lb.HostPort
	track        string // [BACKEND/]SERVER whose health it has; empty: its own
	// rest is the hash of all options except weight, enabled, disabled and the intervals
	// of checks.
	rest uint64

	disabled, tls bool
	// asksAgent: an agent may set the weight and the state.
	asksAgent                  bool
	ownAgentHost, ownAgentPort bool // set by options of their own
	// unclear: how HAProxy reads the line is unknown.
	unclear bool
}

// add reads options in the order in which they stand (configuration manual, 5.2).
func (s *serverSettings) add(t optionTable, words []string) {
	for len(words) > 0 {
		option := words[0]
		n, known := t.arguments(option)
		if !known || len(words) <= n {
			s.unclear = true
			return
		}
		value := ""
		if n > 0 {
			value = words[1]
		}
		words = words[1+n:]
		switch option {
		case "weight", "enabled", "disabled", "inter", "fastinter", "downinter", "agent-inter":
		default:
			s.rest = hashWord(hashWord(s.rest, option), withoutDigest(value))
		}
		s.set(option, value)
	}
}

// withoutDigest replaces the file name of one of the agent's certificates or authorities by its
// role: the content changes while HAProxy runs, which does not affect the health of servers.
func withoutDigest(value string) string {
	if role, ok := lb.TLSRole(filepath.Base(value)); ok {
		return filepath.Join(filepath.Dir(value), role)
	}
	return value
}

// set sets one option. "addr" and "port" also set those of an agent that has no options
// of its own.
func (s *serverSettings) set(option, value string) {
	switch option {
	case "weight":
		s.weight = s.number(value, 256)
	case "enabled", "disabled":
		s.disabled = option == "disabled"
	case "ssl", "no-ssl":
		s.tls = option == "ssl"
	case "agent-check", "no-agent-check":
		s.asksAgent = option == "agent-check"
	case "track":
		s.track = value
	case "addr":
		s.check.Host = s.host(value)
		if !s.ownAgentHost {
			s.agent.Host = s.check.Host
		}
	case "port":
		s.check.Port = uint16(s.number(value, 65535)) //nolint:gosec // bounded
		if !s.ownAgentPort {
			s.agent.Port = s.check.Port
		}
	case "agent-addr":
		s.agent.Host, s.ownAgentHost = s.ip(value), true
	case "agent-port":
		s.agent.Port, s.ownAgentPort = uint16(s.number(value, 65535)), true //nolint:gosec // bounded
	}
}

// number reads a decimal number. Other values, which HAProxy may accept, are unclear.
func (s *serverSettings) number(value string, most int) int {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || n > most || strconv.Itoa(n) != value {
		s.unclear = true
		return 0
	}
	return n
}

// host reads the address of "addr" and ignores a port.
func (s *serverSettings) host(value string) lb.Host {
	if host, _, ok := strings.Cut(value, ":"); ok && strings.Count(value, ":") == 1 {
		value = host
	}
	if inner, ok := strings.CutPrefix(value, "["); ok {
		value, _, _ = strings.Cut(inner, "]")
	} else if strings.Contains(value, ":") { // ::1:80 is an address and a port
		s.unclear = true
		return ""
	}
	return s.ip(value)
}

func (s *serverSettings) ip(value string) lb.Host {
	if _, err := netip.ParseAddr(value); err != nil {
		s.unclear = true // a name
		return ""
	}
	return address(value, 0).Host
}

// hashWord adds a word to a hash (FNV-1a). Other words, or another order, give another
// hash.
func hashWord(sum uint64, word string) uint64 {
	const prime = 1099511628211
	for i := range len(word) {
		sum = (sum ^ uint64(word[i])) * prime
	}
	return (sum ^ 0x100) * prime // separates words: no byte has this value
}
