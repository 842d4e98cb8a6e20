package e2e_test

import (
	"io"
	"net"
)

// servedAt is an agent for a browser on this machine: the one that answers at an address to whoever
// is in a space of the fixture, which is a node, or the client outside.
func (s *managedFixture) servedAt(space, address string) *node {
	s.tb.Helper()
	listener, err := new(net.ListenConfig).Listen(s.tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		s.tb.Fatal(err)
	}
	s.tb.Cleanup(func() { _ = listener.Close() })
	dial := s.cluster.Dial(space)
	pass := func(conn net.Conn) {
		defer conn.Close()
		agent, err := dial(s.tb.Context(), "tcp", address)
		if err != nil {
			return // the browser tells of it
		}
		defer agent.Close()
		go func() { defer agent.Close(); _, _ = io.Copy(agent, conn) }()
		_, _ = io.Copy(conn, agent)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go pass(conn)
		}
	}()
	return &node{tb: s.tb, api: listener.Addr().(*net.TCPAddr).Port, secure: true}
}

// signIn logs a user in at the page that asks for it, and waits for the page that was wanted.
func (p *page) signIn(user, path string) {
	p.tb.Helper()
	p.sees(`location.pathname === "/login"`)
	p.click(p.button("form", "Use a name and password"))
	p.write("#user", user)
	p.write("#password", "correct horse")
	p.press("\r")
	p.sees(`location.pathname === ` + "`" + path + "`")
}
