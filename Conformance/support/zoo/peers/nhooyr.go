// SPDX-License-Identifier: Apache-2.0
// zoo-name: nhooyr
// zoo-roles: client server
// zoo-apt: golang-go golang-nhooyr-websocket-dev
// zoo-environment: GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE={build}/cache
// zoo-build: go build -o {build}/nhooyr {file}
// zoo-run: {build}/nhooyr
// zoo-note: client ping-in: the library chooses the payload
// zoo-note: server ping-in: the library chooses the payload

// nhooyr.io/websocket, now coder/websocket: a server that refuses an offer with server_max_window_bits.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"nhooyr.io/websocket"
)

type cannot string

func (c cannot) Error() string { return string(c) }

type connection struct {
	*websocket.Conn
	socket net.Conn
}

var kinds = map[string]websocket.MessageType{"text": websocket.MessageText, "binary": websocket.MessageBinary}

func report(fields ...string) { os.Stdout.WriteString(strings.Join(fields, "\t") + "\n") }

func background() context.Context {
	ctx, _ := context.WithTimeout(context.Background(), 9*time.Second)
	return ctx
}

// A frame for each write, as long as nothing is compressed. What comes back from the ping is told by `ponged`.
func (c *connection) sendFrames(kind websocket.MessageType, data []byte, ponged chan error) error {
	writer, err := c.Writer(background(), kind)
	if err != nil {
		return err
	}
	half := len(data) / 2
	for half < len(data) && kind == websocket.MessageText && data[half]&0xC0 == 0x80 {
		half++
	}
	if _, err = writer.Write(data[:half]); err != nil {
		return err
	}
	if ponged != nil {
		go func() { ponged <- c.Ping(background()) }()
		// It waits for the pong; there is no call that only writes.
		time.Sleep(50 * time.Millisecond)
	}
	if _, err = writer.Write(data[half:]); err != nil {
		return err
	}
	return writer.Close()
}

func (c *connection) expect(kind websocket.MessageType, data []byte) error {
	got, message, err := c.Read(background())
	if err != nil {
		return err
	}
	if got != kind || !bytes.Equal(message, data) {
		return fmt.Errorf("got %d bytes, sent %d", len(message), len(data))
	}
	return nil
}

func (c *connection) close(code int, reason string) (string, string) {
	err := c.Close(websocket.StatusCode(code), reason)
	var closed websocket.CloseError
	switch {
	case err == nil:
		// The other end has answered with the same code; its reason is not kept.
		return strconv.Itoa(code), "?"
	case errors.As(err, &closed):
		return strconv.Itoa(int(closed.Code)), closed.Reason
	}
	return "1006", ""
}

func ending(err error) (string, string) {
	var closed websocket.CloseError
	if errors.As(err, &closed) {
		return strconv.Itoa(int(closed.Code)), closed.Reason
	}
	return "1006", ""
}

func (c *connection) reset() {
	c.socket.(*net.TCPConn).SetLinger(0)
	c.socket.Close()
}

// Frames are seen only where nothing is compressed.
func threshold(framed bool) int {
	if framed {
		return 1 << 30
	}
	return 1
}

func open(url, offer string, subprotocols []string, framed bool) (*connection, string, error) {
	c := &connection{}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, network, address)
		c.socket = conn
		return conn, err
	}}
	options := &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, Subprotocols: subprotocols, CompressionThreshold: threshold(framed),
	}
	switch offer {
	case "default", "client_no_context_takeover; server_no_context_takeover":
	case "bare":
		options.CompressionMode = websocket.CompressionContextTakeover
	case "none":
		options.CompressionMode = websocket.CompressionDisabled
	default:
		return nil, "", cannot("the library offers both flags or none")
	}
	ws, response, err := websocket.Dial(background(), url, options)
	if err != nil {
		return nil, "", err
	}
	ws.SetReadLimit(1 << 30)
	c.Conn = ws
	return c, response.Header.Get("Sec-Websocket-Extensions"), nil
}

func command(verb, url string, fields []string) ([]string, error) {
	offer := "default"
	var subprotocols []string
	switch verb {
	case "echo":
		offer, fields = fields[0], fields[1:]
	case "subprotocols":
		if fields[0] != "" {
			subprotocols = strings.Split(fields[0], ",")
		}
	}
	c, extensions, err := open(url, offer, subprotocols, verb == "fragments" || verb == "ping")
	if err != nil {
		return nil, err
	}
	zoo := []byte("zoo")
	switch verb {
	case "echo":
		for ; len(fields) > 1; fields = fields[2:] {
			data, _ := os.ReadFile(fields[1])
			if err := c.Write(background(), kinds[fields[0]], data); err != nil {
				return nil, err
			}
			if err := c.expect(kinds[fields[0]], data); err != nil {
				return nil, err
			}
		}
		c.close(1000, "")
		return []string{extensions}, nil
	case "flood":
		data, _ := os.ReadFile(fields[1])
		count, _ := strconv.Atoi(fields[2])
		for i := 0; i < count; i++ {
			if err := c.Write(background(), kinds[fields[0]], data); err != nil {
				return nil, err
			}
		}
		for i := 0; i < count; i++ {
			if err := c.expect(kinds[fields[0]], data); err != nil {
				return nil, err
			}
		}
		c.close(1000, "")
		return nil, nil
	case "fragments", "ping":
		data, _ := os.ReadFile(fields[1])
		var ponged chan error
		if verb == "ping" {
			ponged = make(chan error, 1)
		}
		if err := c.sendFrames(kinds[fields[0]], data, ponged); err != nil {
			return nil, err
		}
		if err := c.expect(kinds[fields[0]], data); err != nil {
			return nil, err
		}
		if ponged != nil {
			if err := <-ponged; err != nil {
				return nil, err
			}
		}
		c.close(1000, "")
		return nil, nil
	case "close":
		code, _ := strconv.Atoi(fields[0])
		got, reason := c.close(code, fields[1])
		return []string{got, reason}, nil
	case "closed", "lost":
		text := zoo
		if verb == "closed" {
			text = []byte(fields[0] + " " + fields[1])
		}
		c.Write(background(), websocket.MessageText, text)
		_, _, err := c.Read(background())
		code, reason := ending(err)
		return []string{code, reason}, nil
	case "reset", "subprotocols":
		c.Write(background(), websocket.MessageText, zoo)
		if err := c.expect(websocket.MessageText, zoo); err != nil {
			return nil, err
		}
		if verb == "reset" {
			c.reset()
			return nil, nil
		}
		c.close(1000, "")
		return []string{c.Subprotocol()}, nil
	}
	return nil, cannot("the peer knows no such command")
}

func client() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		answer, err := command(fields[0], fields[1], fields[2:])
		var reason cannot
		switch {
		case errors.As(err, &reason):
			report("cannot", err.Error())
		case err != nil:
			report("failed", err.Error())
		default:
			report(append([]string{"ok"}, answer...)...)
		}
	}
}

func converse(c *connection, path, target string) {
	first := true
	for {
		kind, data, err := c.Read(context.Background())
		if err != nil {
			code, reason := ending(err)
			report("closed", target, code, reason)
			return
		}
		switch path {
		case "/close":
			text := strings.SplitN(string(data), " ", 2)
			code, _ := strconv.Atoi(text[0])
			got, reason := c.close(code, text[1])
			report("closed", target, got, reason)
			return
		case "/reset":
			c.reset()
			return
		case "/fragments":
			c.sendFrames(kind, data, nil)
			continue
		case "/ping":
			ponged := make(chan error, 1)
			c.sendFrames(kind, data, ponged)
			go func() {
				if <-ponged == nil {
					report("pong", target, "zoo")
				}
			}()
			continue
		case "/flood":
			for i := 1; first && i < 10; i++ {
				c.Write(context.Background(), kind, data)
			}
			first = false
		}
		c.Write(context.Background(), kind, data)
	}
}

type socketKey struct{}

func server(port string) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		framed := r.URL.Path == "/fragments" || r.URL.Path == "/ping"
		options := &websocket.AcceptOptions{
			Subprotocols: []string{"zoo.v1"}, CompressionMode: websocket.CompressionContextTakeover,
			CompressionThreshold: threshold(framed),
		}
		ws, err := websocket.Accept(w, r, options)
		if err == nil {
			ws.SetReadLimit(1 << 30)
			socket := r.Context().Value(socketKey{}).(net.Conn)
			converse(&connection{ws, socket}, r.URL.Path, r.URL.RequestURI())
		}
	}
	s := &http.Server{
		Addr: "127.0.0.1:" + port, Handler: http.HandlerFunc(handler),
		ConnContext: func(ctx context.Context, socket net.Conn) context.Context {
			return context.WithValue(ctx, socketKey{}, socket)
		},
	}
	fmt.Fprintln(os.Stderr, s.ListenAndServe())
}

func main() {
	switch os.Args[1] {
	case "version":
		version, _ := exec.Command("dpkg-query", "-W", "-f", "${Version}", "golang-nhooyr-websocket-dev").Output()
		fmt.Println("nhooyr.io/websocket", string(version), "on", runtime.Version())
	case "client":
		client()
	case "server":
		server(os.Args[2])
	}
}
