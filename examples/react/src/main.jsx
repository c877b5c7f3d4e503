import { Image } from '@unpic/react/base';
import { createPicture } from 'image-origin/react';
import { transform } from 'image-origin/unpic';
import { createRoot } from 'react-dom/client';

const base = import.meta.env.VITE_IMAGES ?? 'http://127.0.0.1:8080';
const Picture = createPicture({ base });

function App() {
  return (
    <main>
      <h1>React</h1>
      <Picture image="photo.jpg" sizes="50vw" className="half" width={800} height={600} alt="Half of the window" />
      <Picture image="photo.webp" options={{ w: 200, h: 150, q: 60, fit: 'cover' }} alt="200 pixels" />
      <h2>unpic</h2>
      <Image src={`${base}/photo.png`} transformer={transform} layout="constrained" width={400} height={300} alt="At most 400 pixels" />
    </main>
  );
}

createRoot(document.getElementById('app')).render(<App />);
