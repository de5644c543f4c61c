// SPDX-License-Identifier: Apache-2.0
// zoo-name: Java HttpClient
// zoo-roles: client
// zoo-apt: openjdk-17-jdk-headless
// zoo-build: javac -d {build} {file}
// zoo-run: java -Xshare:auto -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp {build} JavaHttpClient
// zoo-cannot: client deflate deflate-all deflate-limits: the client has no extensions
// zoo-note: client reset-in: abort() ends the connection

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** The WebSocket of java.net.http. */
public class JavaHttpClient {
  record Message(String kind, byte[] data) {}

  record End(int code, String reason) {}

  static class Connection implements WebSocket.Listener {
    final LinkedBlockingQueue<Object> inbox = new LinkedBlockingQueue<>();
    private final ByteArrayOutputStream parts = new ByteArrayOutputStream();
    private final StringBuilder text = new StringBuilder();
    WebSocket socket;

    // Nothing is read before it is asked for.
    @Override public void onOpen(WebSocket socket) {}

    @Override public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean last) {
      text.append(data);
      if (last) {
        inbox.add(new Message("text", text.toString().getBytes(StandardCharsets.UTF_8)));
        text.setLength(0);
      } else socket.request(1);
      return null;
    }

    @Override public CompletionStage<?> onBinary(WebSocket socket, ByteBuffer data, boolean last) {
      byte[] bytes = new byte[data.remaining()];
      data.get(bytes);
      parts.writeBytes(bytes);
      if (last) {
        inbox.add(new Message("binary", parts.toByteArray()));
        parts.reset();
      } else socket.request(1);
      return null;
    }

    @Override public CompletionStage<?> onPing(WebSocket socket, ByteBuffer data) {
      socket.request(1);
      return null;
    }

    @Override public CompletionStage<?> onPong(WebSocket socket, ByteBuffer data) {
      inbox.add(StandardCharsets.UTF_8.decode(data).toString());
      return null;
    }

    @Override public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
      inbox.add(new End(code, reason));
      return null;
    }

    @Override public void onError(WebSocket socket, Throwable error) { inbox.add(new End(1006, "")); }

    Object receive() throws Exception {
      socket.request(1);
      Object got = inbox.poll(18, TimeUnit.SECONDS);
      if (got == null) throw new Exception("nothing came");
      return got;
    }

    void expect(String kind, byte[] data) throws Exception {
      if (!(receive() instanceof Message message)) throw new Exception("no message came");
      if (!message.kind.equals(kind) || !Arrays.equals(message.data, data))
        throw new Exception("got " + message.kind + " of " + message.data.length + " bytes, sent " + data.length);
    }

    void send(String kind, byte[] data, boolean last) {
      if (kind.equals("text")) socket.sendText(new String(data, StandardCharsets.UTF_8), last).join();
      else socket.sendBinary(ByteBuffer.wrap(data), last).join();
    }

    End close(int code, String reason) throws Exception {
      socket.sendClose(code, reason).join();
      return end();
    }

    End end() throws Exception {
      while (true) if (receive() instanceof End end) return end;
    }
  }

  static final HttpClient CLIENT = HttpClient.newHttpClient();

  static Connection open(String url, String[] subprotocols) {
    Connection connection = new Connection();
    WebSocket.Builder builder = CLIENT.newWebSocketBuilder();
    if (subprotocols.length > 0)
      builder.subprotocols(subprotocols[0], Arrays.copyOfRange(subprotocols, 1, subprotocols.length));
    connection.socket = builder.buildAsync(URI.create(url), connection).join();
    return connection;
  }

  static byte[][] cut(String kind, byte[] data, int count) {
    byte[][] parts = new byte[count][];
    int start = 0;
    for (int number = 1; number <= count; number++) {
      int end = (int) ((long) data.length * number / count);
      while (kind.equals("text") && end < data.length && (data[end] & 0xC0) == 0x80) end++;
      parts[number - 1] = Arrays.copyOfRange(data, start, end);
      start = end;
    }
    return parts;
  }

  static List<String> carryOut(String[] fields) throws Exception {
    String verb = fields[0];
    String[] subprotocols =
        verb.equals("subprotocols") && !fields[2].isEmpty() ? fields[2].split(",") : new String[0];
    Connection connection = open(fields[1], subprotocols);
    byte[] zoo = "zoo".getBytes();
    switch (verb) {
      case "echo":
        for (int index = 3; index + 1 < fields.length; index += 2) {
          byte[] data = Files.readAllBytes(Path.of(fields[index + 1]));
          connection.send(fields[index], data, true);
          connection.expect(fields[index], data);
        }
        break;
      case "flood": {
        byte[] data = Files.readAllBytes(Path.of(fields[3]));
        int count = Integer.parseInt(fields[4]);
        for (int index = 0; index < count; index++) connection.send(fields[2], data, true);
        for (int index = 0; index < count; index++) connection.expect(fields[2], data);
        break;
      }
      case "fragments":
      case "ping": {
        byte[] data = Files.readAllBytes(Path.of(fields[3]));
        byte[][] parts = cut(fields[2], data, Integer.parseInt(fields[4]));
        for (int index = 0; index < parts.length; index++) {
          if (verb.equals("ping") && index == 1) connection.socket.sendPing(ByteBuffer.wrap(zoo)).join();
          connection.send(fields[2], parts[index], index == parts.length - 1);
        }
        if (verb.equals("ping") && !"zoo".equals(connection.receive())) throw new Exception("no pong came");
        connection.expect(fields[2], data);
        break;
      }
      case "close": {
        End end = connection.close(Integer.parseInt(fields[2]), fields[3]);
        return List.of("ok", "" + end.code, end.reason);
      }
      case "closed":
      case "lost": {
        connection.send("text", verb.equals("lost") ? zoo : (fields[2] + " " + fields[3]).getBytes(StandardCharsets.UTF_8), true);
        End end = connection.end();
        return List.of("ok", "" + end.code, end.reason);
      }
      case "reset":
        connection.send("text", zoo, true);
        connection.expect("text", zoo);
        connection.socket.abort();
        return List.of("ok");
      case "subprotocols":
        connection.send("text", zoo, true);
        connection.expect("text", zoo);
        connection.close(1000, "");
        return List.of("ok", connection.socket.getSubprotocol());
      default:
        return List.of("cannot", "the peer knows no such command");
    }
    connection.close(1000, "");
    return List.of("ok");
  }

  public static void main(String[] arguments) throws Exception {
    if (arguments[0].equals("version")) {
      System.out.println("Java " + System.getProperty("java.version"));
      return;
    }
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = in.readLine()) != null; ) {
      List<String> answer;
      try {
        answer = carryOut(line.split("\t", -1));
      } catch (Throwable error) {
        answer = List.of("failed", ("" + error).replace('\n', ' '));
      }
      out.println(String.join("\t", answer));
    }
    System.exit(0);
  }
}
