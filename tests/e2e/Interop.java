/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interop: a TLS peer of Java's own (JSSE).
 *
 * client PORT NAME CA.pem: sends a line, prints what comes back.
 * server STORE.p12 PASSWORD: prints its port, answers each line with itself.
 */
import java.io.*;
import java.net.*;
import java.nio.file.*;
import java.security.*;
import java.security.cert.*;
import javax.net.ssl.*;

public class Interop {
	static void echo(Socket socket) throws Exception {
		BufferedReader in = new BufferedReader(
			new InputStreamReader(socket.getInputStream()));
		OutputStream out = socket.getOutputStream();
		String line;

		while ((line = in.readLine()) != null) {
			out.write((line + "\n").getBytes());
			out.flush();
		}
		socket.close();
	}

	static void client(int port, String name, String ca) throws Exception {
		KeyStore store = KeyStore.getInstance("PKCS12");
		TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
		SSLContext context = SSLContext.getInstance("TLS");
		SSLParameters parameters = new SSLParameters();
		int count = 0;

		store.load(null, null);
		try (InputStream pem = Files.newInputStream(Path.of(ca))) {
			for (java.security.cert.Certificate one :
			     CertificateFactory.getInstance("X.509")
				     .generateCertificates(pem))
				store.setCertificateEntry("ca" + count++, one);
		}
		trust.init(store);
		context.init(null, trust.getTrustManagers(), null);
		parameters.setServerNames(
			java.util.List.of(new SNIHostName(name)));
		parameters.setEndpointIdentificationAlgorithm("HTTPS");
		/* Named, though the address is the loopback's. */
		Socket plain = new Socket("127.0.0.1", port);
		SSLSocket socket = (SSLSocket)context.getSocketFactory()
					   .createSocket(plain, name, port, true);
		socket.setSSLParameters(parameters);
		socket.getOutputStream().write("hello from java\n".getBytes());
		socket.getOutputStream().flush();
		System.out.println(new BufferedReader(new InputStreamReader(
			socket.getInputStream())).readLine() + " " +
			socket.getSession().getProtocol());
		socket.close();
	}

	static void server(String path, String password) throws Exception {
		KeyStore store = KeyStore.getInstance("PKCS12");
		KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
		SSLContext context = SSLContext.getInstance("TLS");

		try (InputStream in = Files.newInputStream(Path.of(path))) {
			store.load(in, password.toCharArray());
		}
		keys.init(store, password.toCharArray());
		context.init(keys.getKeyManagers(), null, null);
		ServerSocket listener =
			context.getServerSocketFactory().createServerSocket(
				0, 5, InetAddress.getLoopbackAddress());
		System.out.println(listener.getLocalPort());
		for (;;)
			echo(listener.accept());
	}

	public static void main(String[] args) throws Exception {
		if (args[0].equals("client"))
			client(Integer.parseInt(args[1]), args[2], args[3]);
		else
			server(args[1], args[2]);
	}
}
