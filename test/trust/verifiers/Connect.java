// What a Java program gets over TLS with a trust store: Connect STORE PASSWORD URL...
import java.io.FileInputStream;
import java.io.InputStream;
import java.net.URL;
import java.security.KeyStore;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLHandshakeException;
import javax.net.ssl.TrustManagerFactory;

public class Connect {
  public static void main(String[] args) throws Exception {
    KeyStore store = KeyStore.getInstance("PKCS12");
    try (InputStream file = new FileInputStream(args[0])) {
      store.load(file, args[1].toCharArray());
    }
    TrustManagerFactory trusted =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trusted.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trusted.getTrustManagers(), null);
    for (int at = 2; at < args.length; at++) {
      HttpsURLConnection call = (HttpsURLConnection) new URL(args[at]).openConnection();
      call.setSSLSocketFactory(context.getSocketFactory());
      try {
        System.out.println(call.getResponseCode());
      } catch (SSLHandshakeException refused) {
        System.out.println("refused: " + refused.getMessage());
      }
    }
  }
}
