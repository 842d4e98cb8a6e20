package testkit

import (
	"encoding/binary"
	"net"
	"strings"
	"sync"
	"testing"
)

// A NameServer answers questions for IPv4 addresses over UDP, on a free port of the
// loopback. It knows no name at first.
type NameServer struct {
	Port int

	mu    sync.Mutex
	names map[string]net.IP // in lower case, without the last dot
}

// StartNameServer serves until the test's end.
func StartNameServer(tb testing.TB) *NameServer {
	tb.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	s := &NameServer{Port: conn.LocalAddr().(*net.UDPAddr).Port, names: map[string]net.IP{}}
	go func() {
		question := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFromUDP(question)
			if err != nil {
				return // closed
			}
			if answer := s.answer(question[:n]); answer != nil {
				_, _ = conn.WriteToUDP(answer, from)
			}
		}
	}()
	return s
}

// Set gives a name an address; an empty one removes it.
func (s *NameServer) Set(name, address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.names, name)
	if address != "" {
		s.names[name] = net.ParseIP(address).To4()
	}
}

// Sizes and values of messages (RFC 1035, 4.1).
const (
	dnsHeader              = 12
	dnsTypeA               = 1
	dnsAnswer, dnsNotFound = 0x8180, 0x8183
)

// answer is the message for a question; nil: it cannot be read.
func (s *NameServer) answer(question []byte) []byte {
	end := dnsHeader
	var labels []string
	for end < len(question) && question[end] != 0 {
		next := end + 1 + int(question[end])
		if next >= len(question) {
			return nil
		}
		labels = append(labels, string(question[end+1:next]))
		end = next
	}
	if end += 5; end > len(question) { // the root, type and class
		return nil
	}
	kind := binary.BigEndian.Uint16(question[end-4:])
	s.mu.Lock()
	address, known := s.names[strings.ToLower(strings.Join(labels, "."))]
	s.mu.Unlock()
	answer := append([]byte{}, question[:end]...)
	flags, answers := uint16(dnsAnswer), uint16(0)
	if !known {
		flags = dnsNotFound
	}
	if known && kind == dnsTypeA {
		answers = 1
		answer = append(answer, 0xc0, dnsHeader, 0, dnsTypeA, 0, 1, 0, 0, 0, 1, 0, 4) // the name, IN, TTL 1 s, 4 bytes
		answer = append(answer, address...)
	}
	binary.BigEndian.PutUint16(answer[2:], flags)
	binary.BigEndian.PutUint16(answer[4:], 1)
	binary.BigEndian.PutUint16(answer[6:], answers)
	binary.BigEndian.PutUint16(answer[8:], 0)
	binary.BigEndian.PutUint16(answer[10:], 0)
	return answer
}
