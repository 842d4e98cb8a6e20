package services

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"thalassa/internal/peer"
	"thalassa/internal/safefile"
)

// Socket is where systemd starts thalassa-node for the agent.
const Socket = "/run/thalassa-node.sock"

// A Node asks about the services of this node: itself where it is root, else through the socket
// of thalassa-node. Its methods may be called concurrently.
type Node struct {
	socket  string
	control Control
	isRoot  bool
}

// NewNode makes a Node that uses a socket where it is not root. It starts nothing.
func NewNode(socket string, cfg Config) *Node {
	return &Node{socket: socket, control: New(cfg), isRoot: os.Geteuid() == 0}
}

// State is how the services are, by their names.
func (n *Node) State(ctx context.Context) (map[string]State, error) {
	a, err := n.ask(ctx, question{Verb: VerbState})
	return a.Services, err
}

// Start starts a service, or both if the name is empty, and returns how the services are then. The error says what has not
// come about; a service that was asked for goes on starting after the end of ctx.
func (n *Node) Start(ctx context.Context, name string) (map[string]State, error) {
	a, err := n.ask(ctx, question{Verb: VerbStart, Service: name})
	return a.Services, err
}

// Stop stops a service in the same way.
func (n *Node) Stop(ctx context.Context, name string) (map[string]State, error) {
	a, err := n.ask(ctx, question{Verb: VerbStop, Service: name})
	return a.Services, err
}

// Key is a key that the nodes of the cluster share, and nobody else has. It is derived from
// corosync's, which only root can read, and says nothing about it.
func (n *Node) Key(ctx context.Context) ([]byte, error) {
	a, err := n.ask(ctx, question{Verb: VerbKey})
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(a.Key)
	if err != nil || len(key) != sha256.Size {
		return nil, errors.New("thalassa-node has answered without a key")
	}
	return key, nil
}

func (n *Node) ask(ctx context.Context, q question) (a answer, err error) {
	if n.isRoot {
		return n.control.answer(ctx, q)
	}
	ctx, cancel := context.WithTimeout(ctx, Longest+readWithin)
	defer cancel()
	data, err := n.dial(ctx, q)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return a, fmt.Errorf("asking thalassa-node: %w", err)
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return a, errors.New("thalassa-node has not answered; its log says why")
	}
	if a.Error != "" {
		err = errors.New(a.Error)
	}
	return a, err
}

// dial asks through the socket.
func (n *Node) dial(ctx context.Context, q question) ([]byte, error) {
	conn, err := peer.DialRoot(ctx, n.socket)
	if _, isDial := errors.AsType[*net.OpError](err); isDial {
		return nil, fmt.Errorf("%w (systemctl enable --now thalassa-node.socket makes it)", err)
	}
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	line, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(append(line, '\n')); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(conn, maxAnswer))
}

// maxKey bounds the key of corosync, in bytes; its own bound is 4096.
const maxKey = 8 << 10

// minKey is the least that is accepted of it: that of corosync-keygen has 256.
const minKey = 64

// key derives Key.
func (c Control) key() ([]byte, error) {
	secret, err := safefile.Read(c.cfg.AuthKey, maxKey)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist: without a key of corosync (corosync-keygen, and crypto_hash in corosync.conf), nodes cannot prove who they are", c.cfg.AuthKey)
	}
	if err != nil {
		return nil, err
	}
	if len(secret) < minKey {
		return nil, fmt.Errorf("%s has %d bytes, expected at least %d", c.cfg.AuthKey, len(secret), minKey)
	}
	return hkdf.Key(sha256.New, secret, nil, "thalassa node services v1", sha256.Size)
}
