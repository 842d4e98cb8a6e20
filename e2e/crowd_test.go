package e2e_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A crowd is many websockets in a process of their own, which look at what they
// read no more than they must: what is measured is the agent, not they.
type crowd struct {
	tb    testing.TB
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *json.Decoder
}

// crowdEnv makes this program a crowd: address, number and subscription.
const crowdEnv = "THALASSA_CROWD"

// A crowdReport is what a crowd has seen since it was asked last.
type crowdReport struct {
	Clients, Lost int
	// Bytes of all that was read, and the texts of each topic.
	Bytes int64
	Late  map[string]delays
}

// delays are how long texts took from when they tell of to a client.
type delays struct {
	Count         int
	P50, P99, Max float64 // ms
}

// crowd starts one that follows topics.
func (n *node) crowd(number int, subscription string) *crowd {
	n.tb.Helper()
	return n.crowdAt(fmt.Sprintf("127.0.0.1:%d", n.api), number, subscription)
}

// crowdAt is crowd for an address, which begins with tls:// if the API has TLS.
func (n *node) crowdAt(address string, number int, subscription string) *crowd {
	n.tb.Helper()
	c := &crowd{tb: n.tb, cmd: exec.Command(os.Args[0])}
	c.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %s", crowdEnv, address, number, subscription))
	c.cmd.Stderr = os.Stderr
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		n.tb.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		n.tb.Fatal(err)
	}
	c.out = json.NewDecoder(out)
	if err := c.cmd.Start(); err != nil {
		n.tb.Fatal(err)
	}
	n.tb.Cleanup(func() {
		_ = c.stdin.Close() // ends it
		_ = c.cmd.Wait()
	})
	c.report() // all are connected
	return c
}

// report is what it has seen since the last call.
func (c *crowd) report() (r crowdReport) {
	c.tb.Helper()
	if _, err := io.WriteString(c.stdin, "\n"); err != nil {
		c.tb.Fatal(err)
	}
	if err := c.out.Decode(&r); err != nil {
		c.tb.Fatal(err)
	}
	return r
}

// A crowdProcess is the other side of a crowd.
type crowdProcess struct {
	mu    sync.Mutex
	lost  int
	bytes int64
	late  map[string][]time.Duration
}

// runCrowd is the crowd's process: for each line that it reads it reports.
func runCrowd(spec string) error {
	address, rest, _ := bytes.Cut([]byte(spec), []byte(" "))
	count, subscription, _ := bytes.Cut(rest, []byte(" "))
	number, err := strconv.Atoi(string(count))
	if err != nil {
		return err
	}
	p := &crowdProcess{late: map[string][]time.Duration{}}
	for range number {
		conn, r, err := connectRaw(string(address), subscription)
		if err != nil {
			return err
		}
		go p.read(conn, r)
	}
	out := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := out.Encode(p.report(number)); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (p *crowdProcess) report(number int) crowdReport {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := crowdReport{Clients: number, Lost: p.lost, Bytes: p.bytes, Late: map[string]delays{}}
	for topic, list := range p.late {
		slices.Sort(list)
		ms := func(i int) float64 { return float64(list[i].Microseconds()) / 1000 }
		r.Late[topic] = delays{len(list), ms(len(list) / 2), ms(len(list) * 99 / 100), ms(len(list) - 1)}
	}
	p.bytes, p.late = 0, map[string][]time.Duration{}
	return r
}

// dialRaw connects to an address, and takes tls:// from it.
func dialRaw(address *string) (net.Conn, error) {
	host, secure := strings.CutPrefix(*address, "tls://")
	*address = host
	if secure {
		return tls.Dial("tcp", host, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}) //nolint:gosec // what it shows is tested elsewhere
	}
	return net.Dial("tcp", host)
}

// connectRaw opens a websocket without a library.
func connectRaw(address string, subscription []byte) (net.Conn, *bufio.Reader, error) {
	conn, err := dialRaw(&address)
	if err != nil {
		return nil, nil, err
	}
	_, err = fmt.Fprintf(conn, "GET /streams HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: thalassa.v1\r\n\r\n", address)
	if err != nil {
		return nil, nil, err
	}
	r := bufio.NewReaderSize(conn, 64<<10)
	for first := true; ; first = false {
		line, err := r.ReadString('\n')
		switch {
		case err != nil:
			return nil, nil, err
		case first && !bytes.Contains([]byte(line), []byte(" 101 ")):
			return nil, nil, fmt.Errorf("the answer is %s", line)
		case line == "\r\n":
			return conn, r, writeMasked(conn, 0x1, subscription)
		}
	}
}

// writeMasked writes a frame as clients must, with a mask of zeros.
func writeMasked(conn net.Conn, opcode byte, payload []byte) error {
	frame := binary.BigEndian.AppendUint16([]byte{0x80 | opcode, 0x80 | 126}, uint16(len(payload)))
	if len(payload) < 126 {
		frame = []byte{0x80 | opcode, 0x80 | byte(len(payload))}
	}
	_, err := conn.Write(append(append(frame, 0, 0, 0, 0), payload...))
	return err
}

// read reads frames until the connection ends.
func (p *crowdProcess) read(conn net.Conn, r *bufio.Reader) {
	for {
		if err := p.readFrame(conn, r); err != nil {
			p.mu.Lock()
			p.lost++
			p.mu.Unlock()
			return
		}
	}
}

func (p *crowdProcess) readFrame(conn net.Conn, r *bufio.Reader) error {
	head := make([]byte, 10)
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return err
	}
	size := uint64(head[1])
	switch size {
	case 126:
		if _, err := io.ReadFull(r, head[2:4]); err != nil {
			return err
		}
		size = uint64(binary.BigEndian.Uint16(head[2:]))
	case 127:
		if _, err := io.ReadFull(r, head[2:10]); err != nil {
			return err
		}
		size = binary.BigEndian.Uint64(head[2:])
	}
	begin, err := r.Peek(int(min(size, 120)))
	if err != nil {
		return err
	}
	switch head[0] & 0xf {
	case 0x8:
		return errors.New("closed")
	case 0x9:
		if err := writeMasked(conn, 0xa, begin); err != nil {
			return err
		}
	default:
		topic, tick := toldBy(begin)
		_, err = r.Discard(int(size))
		p.note(topic, tick, size)
		return err
	}
	_, err = r.Discard(int(size))
	return err
}

// toldBy is the topic of a delta and the time that it tells of, from how its text
// begins; no topic: it is none.
func toldBy(begin []byte) (topic string, at time.Time) {
	rest, ok := bytes.CutPrefix(begin, []byte(`{"type":"delta","topic":"`))
	if !ok {
		return "", at
	}
	name, rest, _ := bytes.Cut(rest, []byte(`"`))
	_, rest, _ = bytes.Cut(rest, []byte(`"time":`))
	number, _, _ := bytes.Cut(rest, []byte(`,`))
	ms, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil {
		return "", at
	}
	return string(name), time.UnixMilli(ms)
}

// note remembers a text that has come as a whole.
func (p *crowdProcess) note(topic string, tick time.Time, size uint64) {
	late := time.Since(tick)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes += int64(size)
	if topic != "" {
		p.late[topic] = append(p.late[topic], late)
	}
}
