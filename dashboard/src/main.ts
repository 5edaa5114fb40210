/** Starts the page: the SDK is fetched while the page is already drawn. */
import { mount } from 'svelte';
import App from './App.svelte';
import './theme.css';

const target = document.querySelector('#app');
if (target) mount(App, { target });
